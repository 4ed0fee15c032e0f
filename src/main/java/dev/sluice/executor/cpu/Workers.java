package dev.sluice.executor.cpu;

import dev.sluice.runtime.Threads;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A fixed crew of threads that works off the items of one job at a time, together with the thread that brings the job.
 *
 * <p>Items are claimed one by one, so a thread that the operating system holds back delays nothing but its own item:
 * the bringer waits for items, never for threads. {@code claims} carries the number of the round in its upper half and
 * the number of unclaimed items in its lower half. A claim succeeds only while its round has unclaimed items, and the
 * job changes only when there are none: a late waker can neither take an item twice nor meet another round's job.
 * Idle threads spin for some microseconds, the usual distance between two jobs of a step, and then park.
 */
final class Workers implements AutoCloseable {

    /** Work in numbered items that may run in any order, on any thread. */
    interface Job {
        /** @param worker number of the thread in [0, threads), the bringer being 0: index of its own scratch memory */
        void run(int worker, int item);
    }

    private static final int SPINS = 1_000; // about 40 microseconds

    private final Lane[] lanes;
    private final AtomicLong claims = new AtomicLong();
    private final AtomicInteger completed = new AtomicInteger();
    private Job job = (worker, item) -> {};
    private int items;
    private int round;
    private volatile @Nullable Throwable failure;
    private volatile boolean closed;

    Workers(String name, int threads) {
        lanes = new Lane[threads - 1];
        for (int i = 0; i < lanes.length; i++) {
            lanes[i] = new Lane(name + "-" + (i + 1), i + 1);
        }
        for (Lane lane : lanes) {
            lane.thread.start();
        }
    }

    /** Threads that compute, the bringer included. */
    int threads() {
        return lanes.length + 1;
    }

    /** Runs all items and returns when the last one has ended. Only one thread may call this at a time. */
    void run(int count, Job work) {
        if (count <= 1 || lanes.length == 0) {
            for (int item = 0; item < count; item++) {
                work.run(0, item);
            }
            return;
        }
        job = work;
        items = count;
        failure = null;
        completed.set(0);
        round++;
        claims.set(((long) round << 32) | count);
        for (Lane lane : lanes) {
            if (lane.parked) {
                LockSupport.unpark(lane.thread);
            }
        }
        takeItems(0, round);
        awaitItems(count);
        Throwable thrown = failure;
        if (thrown != null) {
            throw new IllegalStateException("a worker failed", thrown);
        }
    }

    @SuppressWarnings("ThreadPriorityCheck") // the core may be needed by the very thread that is waited for
    private void awaitItems(int count) {
        for (int spins = 0; completed.get() < count; spins++) {
            if (spins < SPINS) {
                Thread.onSpinWait();
            } else {
                Thread.yield();
            }
        }
    }

    private void takeItems(int worker, int current) {
        while (true) {
            long claim = claims.get();
            int unclaimed = (int) claim;
            if ((int) (claim >>> 32) != current || unclaimed == 0) {
                return;
            }
            Job work = job;
            int item = items - unclaimed;
            if (claims.compareAndSet(claim, claim - 1)) {
                try {
                    work.run(worker, item);
                } catch (RuntimeException | Error e) {
                    failure = e;
                } finally {
                    completed.incrementAndGet();
                }
            }
        }
    }

    @Override
    public void close() {
        closed = true;
        for (Lane lane : lanes) {
            LockSupport.unpark(lane.thread);
        }
        boolean interrupted = false;
        for (Lane lane : lanes) {
            while (lane.thread.isAlive()) {
                try {
                    lane.thread.join();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** One thread of the crew. */
    private final class Lane implements Runnable {

        private final Thread thread;
        private final int worker;
        private volatile boolean parked;

        Lane(String name, int worker) {
            this.worker = worker;
            thread = Threads.named(name, this);
        }

        @Override
        public void run() {
            int seen = 0;
            while (!closed) {
                seen = awaitRoundAfter(seen);
                takeItems(worker, seen);
            }
        }

        private int awaitRoundAfter(int seen) {
            for (int spins = 0; spins < SPINS; spins++) {
                int current = (int) (claims.get() >>> 32);
                if (current != seen) {
                    return current;
                }
                Thread.onSpinWait();
            }
            parked = true; // before the round is read again: the bringer sets the round, then looks who is parked
            while ((int) (claims.get() >>> 32) == seen && !closed) {
                LockSupport.park(this);
            }
            parked = false;
            return (int) (claims.get() >>> 32);
        }
    }
}
