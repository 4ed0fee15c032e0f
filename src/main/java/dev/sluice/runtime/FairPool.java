package dev.sluice.runtime;

import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Threads that callers share by turns. Each caller who waits has one task done before any of them has the next, so a caller
 * with a thousand tasks delays another's first by one of its own. Short and lengthy tasks wait apart: half of the threads
 * never take a lengthy one, which cannot be interrupted.
 */
public final class FairPool implements AutoCloseable {

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition available = lock.newCondition();
    private final Turns shortTasks = new Turns();
    private final Turns lengthyTasks = new Turns();
    private final int queueMax;
    private int queued;
    private boolean closed;

    /**
     * @param threads at least 2
     * @param queueMax tasks that may wait; no caller has more than half of these places
     */
    public FairPool(String name, int threads, int queueMax) {
        if (threads < 2) {
            throw new IllegalArgumentException("short and lengthy tasks need a thread each, but threads is " + threads);
        }
        this.queueMax = queueMax;
        for (int i = 0; i < threads; i++) {
            boolean takesLengthy = i < threads / 2;
            Threads.named(name + "-" + i, () -> work(takesLengthy)).start();
        }
    }

    /** Queues a task; false if there is no place for this caller. A task that is removed before it has begun never runs. */
    public boolean submit(String caller, boolean lengthy, Runnable task) {
        lock.lock();
        try {
            int own = shortTasks.of(caller) + lengthyTasks.of(caller);
            if (closed || queued >= queueMax || own >= Math.max(1, queueMax / 2)) {
                return false;
            }
            (lengthy ? lengthyTasks : shortTasks).add(caller, task);
            queued++;
            available.signalAll(); // a thread that takes only short tasks may be the first to wake
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** Takes a task back; false if it is not waiting, since it has begun or was never there. */
    public boolean remove(String caller, Runnable task) {
        lock.lock();
        try {
            boolean removed = shortTasks.remove(caller, task) || lengthyTasks.remove(caller, task);
            queued -= removed ? 1 : 0;
            return removed;
        } finally {
            lock.unlock();
        }
    }

    /** Tasks that wait. */
    public int queued() {
        lock.lock();
        try {
            return queued;
        } finally {
            lock.unlock();
        }
    }

    private void work(boolean takesLengthy) {
        for (Runnable task = take(takesLengthy); task != null; task = take(takesLengthy)) {
            try {
                task.run();
            } catch (RuntimeException | Error e) { // the thread is needed by others
                Thread thread = Thread.currentThread();
                thread.getUncaughtExceptionHandler().uncaughtException(thread, e);
            }
        }
    }

    /** Waits for a task; null at the end. */
    private @Nullable Runnable take(boolean takesLengthy) {
        lock.lock();
        try {
            while (!closed) {
                Runnable task = takesLengthy ? lengthyTasks.next() : null;
                task = task == null ? shortTasks.next() : task;
                if (task != null) {
                    queued--;
                    return task;
                }
                available.awaitUninterruptibly();
            }
            return null;
        } finally {
            lock.unlock();
        }
    }

    /** What waits is dropped; what runs ends by itself. */
    @Override
    public void close() {
        lock.lock();
        try {
            closed = true;
            available.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Tasks by caller; the callers stand in a ring. */
    private static final class Turns {

        private final Map<String, ArrayDeque<Runnable>> ring = new LinkedHashMap<>();

        int of(String caller) {
            ArrayDeque<Runnable> own = ring.get(caller);
            return own == null ? 0 : own.size();
        }

        void add(String caller, Runnable task) {
            ring.computeIfAbsent(caller, absent -> new ArrayDeque<>()).add(task);
        }

        boolean remove(String caller, Runnable task) {
            ArrayDeque<Runnable> own = ring.get(caller);
            if (own == null || !own.remove(task)) {
                return false;
            }
            if (own.isEmpty()) {
                ring.remove(caller);
            }
            return true;
        }

        /** The oldest task of the caller whose turn it is, who then goes to the end of the ring. */
        @Nullable
        Runnable next() {
            Iterator<Map.Entry<String, ArrayDeque<Runnable>>> first =
                    ring.entrySet().iterator();
            if (!first.hasNext()) {
                return null;
            }
            Map.Entry<String, ArrayDeque<Runnable>> turn = first.next();
            String caller = turn.getKey();
            ArrayDeque<Runnable> own = turn.getValue();
            first.remove();
            Runnable task = own.remove();
            if (!own.isEmpty()) {
                ring.put(caller, own);
            }
            return task;
        }
    }
}
