package dev.sluice.engine;

import dev.sluice.engine.EngineStatus.Stage;
import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.ExecutorSpec;
import dev.sluice.model.ModelFormatException;
import dev.sluice.model.hub.HubException;
import dev.sluice.runtime.Clock;
import dev.sluice.runtime.Threads;
import dev.sluice.scheduler.ContinuousBatchingScheduler;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.beans.BeansException;
import org.springframework.beans.factory.SmartInitializingSingleton;
import org.springframework.context.SmartLifecycle;

/**
 * Starts the engine while the HTTP server comes up, and lets requests in. At the end it refuses new requests first and lets
 * what runs finish.
 */
public final class EngineLifecycle implements SmartInitializingSingleton, SmartLifecycle {

    private static final Logger LOG = LoggerFactory.getLogger(EngineLifecycle.class);

    private final EngineLoader loader;
    private final Supplier<Engine> assembly;
    private final Consumer<Engine> onReady;
    private final EngineState state;
    private final EngineExit exit;
    private final Drain drain;
    private final Duration turnLimit;
    private final Clock clock;
    private final AtomicReference<@Nullable Engine> engine = new AtomicReference<>();
    private volatile boolean running;

    /**
     * @param assembly makes the engine of what the loader has loaded
     * @param onReady lets requests in
     * @param turnLimit how long a turn of the scheduler may take before readiness is lost
     */
    public EngineLifecycle(
            EngineLoader loader,
            Supplier<Engine> assembly,
            Consumer<Engine> onReady,
            EngineState state,
            EngineExit exit,
            Drain drain,
            Duration turnLimit,
            Clock clock) {
        this.loader = loader;
        this.assembly = assembly;
        this.onReady = onReady;
        this.state = state;
        this.exit = exit;
        this.drain = drain;
        this.turnLimit = turnLimit;
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
            loader.model();
            state.enter(Stage.WARMING_UP);
            Engine loaded = assembly.get();
            loaded.scheduler().start();
            watch(loaded.scheduler());
            engine.set(loaded);
            onReady.accept(loaded);
            if (running) {
                state.enter(Stage.READY);
                announce(loaded);
            }
        } catch (RuntimeException | Error e) {
            if (running) { // a start that is interrupted by the end has not failed
                exit.startFailed(reason(e));
            }
        }
    }

    private static String reason(Throwable failure) {
        String sentence = sentence(failure);
        if (sentence != null) {
            return sentence;
        }
        LOG.error("The start has failed", failure); // with its stack, since no sentence was written for it
        return failure instanceof BeansException beans
                ? String.valueOf(beans.getMostSpecificCause())
                : String.valueOf(failure);
    }

    /** The sentence that was written for the operator, from under the framework's wrapping; or null. */
    private static @Nullable String sentence(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof ModelFormatException
                    || cause instanceof HubException
                    || cause instanceof ExecutorException
                    || cause instanceof IllegalArgumentException) {
                return String.valueOf(cause.getMessage());
            }
            if (cause instanceof OutOfMemoryError) {
                return "there is not enough memory: " + cause.getMessage();
            }
        }
        return null;
    }

    private void watch(ContinuousBatchingScheduler scheduler) {
        Watchdog watchdog = new Watchdog(scheduler::snapshot, clock, turnLimit);
        state.watch(watchdog);
        watchdog.start(() -> running);
    }

    private static void announce(Engine engine) {
        ExecutorSpec spec = engine.executor().spec();
        int tokens = spec.kv().usableBlocks() * spec.kv().blockSize();
        LOG.info("Executor {} ({}), context {} tokens", spec.name(), spec.device(), spec.contextLength());
        LOG.info(
                "KV cache: {} blocks of {} tokens; maximum concurrency for {} tokens: {}x",
                spec.kv().usableBlocks(),
                spec.kv().blockSize(),
                spec.contextLength(),
                String.format(Locale.ROOT, "%.2f", (double) tokens / spec.contextLength()));
        long millis = ManagementFactory.getRuntimeMXBean().getUptime();
        LOG.info("Serving {}, {} ms after the process began", engine.modelNames(), millis);
    }

    @Override
    public void stop() {
        running = false;
        state.enter(Stage.DRAINING);
        drain.begin();
        Engine current = engine.get();
        if (current != null && current.scheduler().isAlive()) {
            LOG.info(
                    "Shutting down: new calls get 503, {} sequences may finish",
                    current.admission().sequences());
            current.admission().startDraining();
            drain.await(current.admission(), current.scheduler());
        }
    }
}
