package dev.sluice.config;

import dev.sluice.admission.AdmissionControl;
import dev.sluice.api.ApiRooms;
import dev.sluice.api.EngineStatus.Stage;
import dev.sluice.api.FrontDoor;
import dev.sluice.api.ServedModel;
import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.ExecutorSpec;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.cuda.driver.CudaUnavailableException;
import dev.sluice.metrics.EngineLog;
import dev.sluice.metrics.RequestMetricsRecorder;
import dev.sluice.metrics.SchedulerGauges;
import dev.sluice.model.Model;
import dev.sluice.model.ModelFormatException;
import dev.sluice.model.hub.HubException;
import dev.sluice.runtime.Clock;
import dev.sluice.runtime.Threads;
import dev.sluice.scheduler.ContinuousBatchingScheduler;
import dev.sluice.text.PromptEncoder;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.beans.BeansException;
import org.springframework.beans.factory.SmartInitializingSingleton;
import org.springframework.context.ApplicationContext;
import org.springframework.context.SmartLifecycle;

/**
 * Puts the engine together while the HTTP server comes up, and opens the door. At the end it closes the door first and
 * lets what runs finish.
 */
final class EngineStarter implements SmartInitializingSingleton, SmartLifecycle {

    private static final Logger LOG = LoggerFactory.getLogger(EngineStarter.class);
    private static final double LOG_INTERVAL_SECONDS = 10;

    private final ApplicationContext context;
    private final SluiceProperties properties;
    private final EngineState state;
    private final EngineDeath death;
    private final FrontDoor door;
    private final Drain drain;
    private final Clock clock;
    private volatile boolean running;
    private final AtomicReference<@Nullable ContinuousBatchingScheduler> scheduler = new AtomicReference<>();
    private final AtomicReference<@Nullable AdmissionControl> admission = new AtomicReference<>();

    EngineStarter(
            ApplicationContext context,
            SluiceProperties properties,
            EngineState state,
            EngineDeath death,
            FrontDoor door,
            Drain drain,
            Clock clock) {
        this.context = context;
        this.properties = properties;
        this.state = state;
        this.death = death;
        this.door = door;
        this.drain = drain;
        this.clock = clock;
    }

    /** Stopped before the web server stops accepting connections, so that a drain can still answer. */
    @Override
    public int getPhase() {
        return Integer.MAX_VALUE;
    }

    /** Begins as soon as the other beans are there, beside the start of the web server. */
    @Override
    public void afterSingletonsInstantiated() {
        running = true;
        Threads.named("sluice-starter", this::startEngine).start();
    }

    @Override
    public void start() {
        // begun already; only the end needs an order
    }

    @Override
    public boolean isRunning() {
        return running;
    }

    private void startEngine() {
        try {
            long start = clock.monotonicNanos();
            context.getBean(Model.class);
            state.enter(Stage.WARMING_UP);
            ContinuousBatchingScheduler loop = context.getBean(ContinuousBatchingScheduler.class);
            registerMeters(loop);
            loop.start();
            watch(loop);
            scheduler.set(loop);
            admission.set(context.getBean(AdmissionControl.class));
            door.open(rooms(loop));
            if (running) {
                state.enter(Stage.READY);
                announce(clock.monotonicNanos() - start);
            }
        } catch (OutOfMemoryError e) {
            death.startFailed("there is not enough memory: " + e.getMessage());
        } catch (RuntimeException e) {
            if (running) { // a start that is interrupted by the end has not failed
                death.startFailed(reason(e));
            }
        }
    }

    /** The sentence that was written for the operator, from under the framework's wrapping. */
    private static String reason(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof ModelFormatException
                    || cause instanceof HubException
                    || cause instanceof CudaUnavailableException
                    || cause instanceof ExecutorException
                    || cause instanceof IllegalArgumentException) {
                return String.valueOf(cause.getMessage());
            }
        }
        return failure instanceof BeansException beans
                ? String.valueOf(beans.getMostSpecificCause())
                : String.valueOf(failure);
    }

    private ApiRooms rooms(ContinuousBatchingScheduler loop) {
        Model model = context.getBean(Model.class);
        ExecutorSpec executor = context.getBean(ModelExecutor.class).spec();
        ModelNames names = context.getBean(ModelNames.class);
        ServedModel served = new ServedModel(
                names.all(),
                clock.wallMillis() / 1000,
                executor.contextLength(),
                executor.vocabularySize(),
                model.generationDefaults(),
                model.endTokenIds(),
                "fp_" + executor.name());
        return new ApiRooms(
                served, context.getBean(PromptEncoder.class), context.getBean(AdmissionControl.class), loop);
    }

    private void registerMeters(ContinuousBatchingScheduler loop) {
        PrometheusMeterRegistry registry = context.getBean(PrometheusMeterRegistry.class);
        SchedulerGauges.register(
                registry,
                loop::snapshot,
                clock,
                context.getBean(ModelNames.class).first(),
                context.getBean(ModelExecutor.class).spec().kv().blockSize(),
                properties.kv().prefixCaching());
        AdmissionMeters.register(registry, context.getBean(AdmissionControl.class));
        EngineLog log = new EngineLog(context.getBean(RequestMetricsRecorder.class), loop::snapshot);
        Threads.named("sluice-engine-log", () -> {
                    try {
                        while (running) {
                            TimeUnit.MILLISECONDS.sleep((long) (1000 * LOG_INTERVAL_SECONDS));
                            log.tick(LOG_INTERVAL_SECONDS);
                        }
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                })
                .start();
    }

    private void watch(ContinuousBatchingScheduler loop) {
        Watchdog watchdog =
                new Watchdog(loop::snapshot, clock, properties.scheduler().watchdog());
        state.watch(watchdog);
        watchdog.start(() -> running);
    }

    private void announce(long nanos) {
        ExecutorSpec spec = context.getBean(ModelExecutor.class).spec();
        int tokens = spec.kv().usableBlocks() * spec.kv().blockSize();
        LOG.info("Executor {} ({}), context {} tokens", spec.name(), spec.device(), spec.contextLength());
        LOG.info(
                "KV cache: {} blocks of {} tokens; maximum concurrency for {} tokens: {}x",
                spec.kv().usableBlocks(),
                spec.kv().blockSize(),
                spec.contextLength(),
                String.format(Locale.ROOT, "%.2f", (double) tokens / spec.contextLength()));
        LOG.info(
                "Serving {} after {} ms",
                List.copyOf(context.getBean(ModelNames.class).all()),
                TimeUnit.NANOSECONDS.toMillis(nanos));
    }

    @Override
    public void stop() {
        running = false;
        state.enter(Stage.DRAINING);
        drain.begin();
        AdmissionControl doorkeeper = admission.get();
        ContinuousBatchingScheduler loop = scheduler.get();
        if (doorkeeper == null || loop == null || !loop.isAlive()) {
            return;
        }
        doorkeeper.startDraining();
        drain.await(doorkeeper, loop);
    }
}
