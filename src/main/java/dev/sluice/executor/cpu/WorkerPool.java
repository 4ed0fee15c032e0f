package dev.sluice.executor.cpu;

import dev.sluice.runtime.Threads;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A fixed team of threads that runs one task at a time, all members together; the calling thread is member 0.
 *
 * <p>Waiting is a short spin, then a park: a step has dozens of phases of tens of microseconds, so parking at once would
 * cost more than the work, but a pure spin collapses as soon as other processes want the cores.
 */
final class WorkerPool implements AutoCloseable {

    /** One phase of a step; called once per member. */
    interface Task {
        void run(int member, int members);
    }

    private static final int SPINS = 2_000; // some 20 to 50 microseconds: about one phase

    private final Thread[] workers;
    private final AtomicInteger remaining = new AtomicInteger();
    private final AtomicInteger epoch = new AtomicInteger();
    private volatile @Nullable Task task;
    private volatile @Nullable Thread caller;
    private volatile @Nullable Throwable failure;
    private volatile boolean closed;

    WorkerPool(int members) {
        workers = new Thread[members - 1];
        for (int i = 0; i < workers.length; i++) {
            int member = i + 1;
            workers[i] = Threads.named("sluice-cpu-" + member, () -> work(member));
            workers[i].start();
        }
    }

    int members() {
        return workers.length + 1;
    }

    /** Runs the task on all members and returns when all are through; one caller at a time. */
    void run(Task newTask) {
        if (workers.length == 0) {
            newTask.run(0, 1);
            return;
        }
        task = newTask;
        caller = Thread.currentThread();
        remaining.set(workers.length);
        epoch.incrementAndGet(); // publishes the task
        for (Thread worker : workers) {
            LockSupport.unpark(worker);
        }
        try {
            newTask.run(0, members());
        } finally {
            awaitOthers();
        }
        Throwable cause = failure;
        if (cause != null) {
            failure = null;
            throw new IllegalStateException("a CPU worker failed", cause);
        }
    }

    private void awaitOthers() {
        int spins = 0;
        while (remaining.get() > 0) {
            if (++spins < SPINS) {
                Thread.onSpinWait();
            } else {
                LockSupport.park(this);
            }
        }
    }

    private void work(int member) {
        int seen = 0;
        while (true) {
            int spins = 0;
            while (epoch.get() == seen) {
                if (closed) {
                    return;
                }
                if (++spins < SPINS) {
                    Thread.onSpinWait();
                } else {
                    LockSupport.park(this);
                }
            }
            seen++;
            try {
                Task current = task;
                if (current != null) {
                    current.run(member, members());
                }
            } catch (Throwable e) {
                failure = e;
            } finally {
                if (remaining.decrementAndGet() == 0) {
                    LockSupport.unpark(caller);
                }
            }
        }
    }

    @Override
    public void close() {
        closed = true;
        for (Thread worker : workers) {
            LockSupport.unpark(worker);
        }
    }
}
