package dev.sluice.scheduler;

import dev.sluice.request.FailureKind;
import dev.sluice.request.FinishReason;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.TokenSink;
import dev.sluice.runtime.Threads;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The scheduler bean: its life cycle, its thread, and how requests come in.
 *
 * <p>One platform thread turns the {@link SchedulerLoop}. If anything escapes a turn, every request ends with a failure,
 * the bean is dead for good, and the given handler is told: an engine that cannot be trusted must not linger.
 *
 * <p>Nobody has a reason to interrupt that thread: {@link #close} is the one way to stop it. An interrupt is noted in the log
 * and has no other effect; it would otherwise stay set, and no waiting would ever wait again.
 */
public final class ContinuousBatchingScheduler implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(ContinuousBatchingScheduler.class);
    private static final long IDLE_PARK_NANOS = TimeUnit.MILLISECONDS.toNanos(50); // submissions wake the loop earlier
    private static final long BLOCKED_PARK_NANOS = TimeUnit.MILLISECONDS.toNanos(1);
    private static final long TRANSFER_PARK_NANOS = TimeUnit.MICROSECONDS.toNanos(100); // the price of polling a copy
    private static final long BACKGROUND_PARK_NANOS = TimeUnit.MILLISECONDS.toNanos(5); // nobody waits for these copies

    private static final String ENGINE_FAILED = "the engine has failed";

    private final SchedulerLoop loop;
    private final Consumer<Throwable> onDeath;
    private final Thread thread;
    private final Queue<CompletableFuture<Boolean>> resets = new ConcurrentLinkedQueue<>();
    private volatile boolean running;
    private volatile boolean stopping;

    /** @param onDeath told, on the dying thread, what killed the loop */
    public ContinuousBatchingScheduler(SchedulerLoop loop, Consumer<Throwable> onDeath) {
        this.loop = loop;
        this.onDeath = onDeath;
        thread = Threads.named("sluice-scheduler", this::turn);
    }

    /** Starts the loop; once. */
    public void start() {
        running = true;
        thread.start();
    }

    /**
     * Hands a request over; its events come through the sink, on the scheduler's thread.
     *
     * @return false if the inbox is full or the scheduler does not run: nothing was taken, nothing will be emitted
     */
    public boolean submit(GenerationRequest request, TokenSink sink) {
        if (!running || stopping || !loop.submit(request, sink)) {
            return false;
        }
        LockSupport.unpark(thread);
        if (!running) {
            // The loop may have died after its last look into the inbox; then nobody else would answer.
            loop.refuseInbox(FailureKind.INTERNAL, ENGINE_FAILED);
        }
        return true;
    }

    /**
     * Ends a request early: {@link FinishReason#STOP} when its text matched a stop string, {@link FinishReason#ABORT}
     * when the client is gone. Unknown and ended ids are ignored, so this can be called any number of times.
     */
    public void cancel(String requestId, FinishReason reason) {
        loop.cancel(requestId, reason);
        LockSupport.unpark(thread);
    }

    /** Ends every request with a failure; used when a drain runs out of time. */
    public void failAll(FailureKind kind, String message) {
        loop.execute(() -> loop.failAll(kind, message));
        LockSupport.unpark(thread);
    }

    /**
     * Forgets all cached contents.
     *
     * @param preemptRunning take the blocks of running sequences too; they are computed anew
     * @param resetConnector forget what lies beyond the device as well
     * @return false, later, if blocks were in use and nothing changed, or if the scheduler does not run
     */
    public CompletableFuture<Boolean> resetPrefixCache(boolean preemptRunning, boolean resetConnector) {
        CompletableFuture<Boolean> done = new CompletableFuture<>();
        resets.add(done);
        loop.execute(() -> {
            done.complete(loop.resetPrefixCache(preemptRunning, resetConnector));
            resets.removeIf(CompletableFuture::isDone);
        });
        LockSupport.unpark(thread);
        if (!running) {
            refuseResets();
        }
        return done;
    }

    /** The state at the end of the latest turn; any thread. */
    public SchedulerSnapshot snapshot() {
        return loop.snapshot();
    }

    /** True while the loop's thread lives and no fatal failure has happened; any thread. */
    public boolean isAlive() {
        return running;
    }

    /** Ends what still runs, stops the thread and waits for it; idempotent. */
    @Override
    public void close() {
        stopping = true;
        LockSupport.unpark(thread);
        try {
            thread.join(TimeUnit.SECONDS.toMillis(30));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void turn() {
        Throwable death = null;
        try {
            while (!stopping) {
                if (Thread.interrupted()) {
                    LOG.warn("The scheduler's thread was interrupted; that means nothing to it");
                }
                if (loop.runOnce() == 0) {
                    LockSupport.parkNanos(idleNanos(loop.hasRequests(), loop.hasTransfers()));
                }
            }
        } catch (Throwable e) {
            death = e;
            LOG.error("The scheduler's loop has died", e);
        }
        running = false;
        try {
            refuseResets();
            endEverything(death);
        } finally {
            if (death != null) {
                onDeath.accept(death);
            }
        }
    }

    private void refuseResets() {
        for (CompletableFuture<Boolean> reset = resets.poll(); reset != null; reset = resets.poll()) {
            reset.complete(false);
        }
    }

    /** How long to sleep when there is nothing to do now: short only if somebody waits for what a copy brings. */
    static long idleNanos(boolean hasRequests, boolean hasTransfers) {
        if (hasRequests) {
            return hasTransfers ? TRANSFER_PARK_NANOS : BLOCKED_PARK_NANOS;
        }
        return hasTransfers ? BACKGROUND_PARK_NANOS : IDLE_PARK_NANOS;
    }

    private void endEverything(@Nullable Throwable death) {
        if (death == null) {
            loop.failAll(FailureKind.DRAINING, "the server is shutting down");
        } else {
            loop.abandonAll(ENGINE_FAILED);
        }
    }
}
