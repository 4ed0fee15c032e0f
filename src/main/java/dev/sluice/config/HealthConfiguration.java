package dev.sluice.config;

import dev.sluice.api.EngineStatus.Stage;
import dev.sluice.offload.HostMemoryConnector;
import dev.sluice.offload.KvConnector;
import dev.sluice.offload.OffloadSnapshot;
import dev.sluice.runtime.Clock;
import dev.sluice.scheduler.ContinuousBatchingScheduler;
import dev.sluice.scheduler.SchedulerSnapshot;
import java.util.Locale;
import java.util.Map;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.health.contributor.Health;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/**
 * What the probes ask. Readiness: the model is loaded, has answered once, and is not draining. Liveness: the loop turns.
 * Neither depends on load, and neither asks the engine anything.
 */
@Configuration(proxyBeanMethods = false)
class HealthConfiguration {

    private static final int FAILED_STEPS_MAX = 3;

    @Bean
    HealthIndicator engineReadyHealthIndicator(
            EngineState state, ObjectProvider<ContinuousBatchingScheduler> scheduler) {
        return () -> {
            Stage stage = state.stage();
            boolean failing =
                    stage == Stage.READY && scheduler.getObject().snapshot().failedStepsInARow() >= FAILED_STEPS_MAX;
            return (stage == Stage.READY && !failing ? Health.up() : Health.outOfService())
                    .withDetail("stage", stage.name().toLowerCase(Locale.ROOT))
                    .withDetail("progress", state.progress())
                    .build();
        };
    }

    /** A tier that fails costs computing, nothing else: it is shown here and never makes the server unready. */
    @Bean
    HealthIndicator kvOffloadHealthIndicator(
            EngineState state, ObjectProvider<KvConnector> connector, ObjectProvider<ResilientTier> hostTierGuard) {
        return () -> {
            if (state.stage() != Stage.READY || !(connector.getObject() instanceof HostMemoryConnector host)) {
                return Health.up().build();
            }
            OffloadSnapshot tiers = host.snapshot();
            return Health.up()
                    .withDetail(
                            "host",
                            Map.of(
                                    "breaker",
                                            hostTierGuard.getObject().breaker().getState(),
                                    "capacityBytes", tiers.hostCapacityBytes(),
                                    "usedBytes", tiers.hostUsedBytes()))
                    .build();
        };
    }

    @Bean
    HealthIndicator engineLiveHealthIndicator(
            EngineState state,
            ObjectProvider<ContinuousBatchingScheduler> scheduler,
            SluiceProperties properties,
            Clock clock) {
        long watchdogNanos = properties.scheduler().watchdog().toNanos();
        return () -> {
            Stage stage = state.stage();
            if (stage == Stage.DEAD) {
                return Health.down().build();
            }
            if (stage == Stage.LOADING || stage == Stage.WARMING_UP) {
                return Health.up().build();
            }
            SchedulerSnapshot snapshot = scheduler.getObject().snapshot();
            boolean stuck = clock.monotonicNanos() - snapshot.lastProgressNanos() > watchdogNanos;
            return stuck ? Health.down().build() : Health.up().build();
        };
    }
}
