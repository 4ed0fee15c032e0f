package dev.sluice.config;

import dev.sluice.engine.EngineState;
import dev.sluice.engine.EngineStatus.Stage;
import dev.sluice.offload.KvConnector;
import dev.sluice.offload.NoKvConnector;
import dev.sluice.offload.OffloadSnapshot;
import dev.sluice.offload.host.HostMemoryConnector;
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
 * What the probes ask. Readiness: the model is loaded, has answered once, is not draining, and its steps succeed and end
 * in time. Liveness: the loop turns. Neither depends on load, and neither asks the engine anything.
 */
@Configuration(proxyBeanMethods = false)
class HealthConfiguration {

    @Bean
    HealthIndicator engineReadyHealthIndicator(EngineState state) {
        return () -> (state.isReady() ? Health.up() : Health.outOfService())
                .withDetail("stage", state.stage().name().toLowerCase(Locale.ROOT))
                .withDetail("progress", state.progress())
                .build();
    }

    /** A tier that fails costs computing, nothing else: it is shown here and never makes the server unready. */
    @Bean
    HealthIndicator kvOffloadHealthIndicator(
            EngineState state,
            ObjectProvider<KvConnector> connector,
            ObjectProvider<TierGuards> guards,
            ObjectProvider<ContinuousBatchingScheduler> scheduler) {
        return () -> {
            if (state.stage() != Stage.READY || connector.getObject() instanceof NoKvConnector) {
                return Health.up().build();
            }
            SchedulerSnapshot engine = scheduler.getObject().snapshot();
            Health.Builder health = Health.up();
            health.withDetail(
                    "connector",
                    Map.of("state", engine.connectorOff() ? "off" : "on", "failures", engine.connectorFailures()));
            if (!(connector.getObject() instanceof HostMemoryConnector memory)) {
                return health.build();
            }
            for (OffloadSnapshot.TierBytes tier : memory.snapshot().tiers()) {
                health.withDetail(tier.tier(), detail(guards.getObject().of(tier.tier()), tier));
            }
            return health.build();
        };
    }

    private static Map<String, Object> detail(ResilientTier guard, OffloadSnapshot.TierBytes tier) {
        return Map.of(
                "breaker", guard.breaker().getState(), "capacityBytes", tier.capacity(), "usedBytes", tier.used());
    }

    @Bean
    HealthIndicator engineLiveHealthIndicator(EngineState state) {
        return () -> (state.isAlive() ? Health.up() : Health.down()).build();
    }
}
