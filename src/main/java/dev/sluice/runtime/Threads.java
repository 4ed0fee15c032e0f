package dev.sluice.runtime;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** The only factory of threads: every thread has a name that says whose it is. */
public final class Threads {

    private Threads() {}

    /** A platform daemon thread, not yet started. */
    public static Thread named(String name, Runnable body) {
        return Thread.ofPlatform().name(name).daemon(true).unstarted(body);
    }

    /** Interrupts a thread and waits for its end, however often the caller is interrupted meanwhile. */
    public static void end(Thread thread) {
        thread.interrupt();
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /**
     * A pool of exactly {@code threads} daemon threads over a queue of {@code queued} tasks; a task beyond that is
     * refused with {@link java.util.concurrent.RejectedExecutionException}.
     */
    public static ExecutorService boundedPool(String name, int threads, int queued) {
        AtomicInteger next = new AtomicInteger();
        return new ThreadPoolExecutor(
                threads,
                threads,
                0,
                TimeUnit.SECONDS,
                new LinkedBlockingQueue<>(queued),
                body -> named(name + "-" + next.getAndIncrement(), body));
    }
}
