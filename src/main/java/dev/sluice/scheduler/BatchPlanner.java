package dev.sluice.scheduler;

import dev.sluice.executor.ScheduledSequence.Kind;
import dev.sluice.kv.Headroom;
import dev.sluice.kv.KvCache;
import dev.sluice.offload.KvConnector;
import dev.sluice.scheduler.SchedulerSettings.Policy;
import java.util.List;

/**
 * Decides what the next step computes: pure policy, without I/O, clock or threads. Follows vLLM's V1 scheduler.
 *
 * <p>There is no prefill phase and no decode phase. Every sequence tries to bring what is computed up to what is known;
 * when its last known token is computed, it yields the next one. Running sequences come first, in the order of their
 * admission; if one cannot get a block, another is preempted: it loses all blocks and waits again, to be computed anew
 * minus what the caches still hold. Only if nobody was preempted are waiting sequences admitted, in strict order: one
 * that does not fit stops everything behind it, so that long prompts are not starved by short ones.
 */
final class BatchPlanner {

    private final SchedulerSettings settings;
    private final KvCache cache;
    private final KvConnector connector;
    private final LifecycleListener listener;
    private final WaitingQueue waiting;
    private final List<Sequence> running;
    private final int watermarkBlocks;
    private int budget;

    BatchPlanner(
            SchedulerSettings settings,
            KvCache cache,
            KvConnector connector,
            LifecycleListener listener,
            WaitingQueue waiting,
            List<Sequence> running) {
        this.settings = settings;
        this.cache = cache;
        this.connector = connector;
        this.listener = listener;
        this.waiting = waiting;
        this.running = running;
        this.watermarkBlocks = (int) (settings.watermark() * cache.layout().blockCount());
    }

    /** Fills the batch; queues, blocks and states follow the decisions at once. */
    void plan(Batch batch) {
        batch.clear();
        budget = settings.maxBatchedTokens();
        scheduleRunning(batch);
        if (!batch.hasPreempted()) {
            admitWaiting(batch);
        }
    }

    private void scheduleRunning(Batch batch) {
        cache.skipLookup();
        int cursor = 0;
        while (cursor < running.size() && budget > 0) {
            Sequence sequence = running.get(cursor);
            int count = Math.min(cap(sequence.tokenCount() - sequence.computed), budget);
            if (count > 0) {
                sequence.registeredBefore = sequence.table().registered();
                while (!allocate(sequence, count, Headroom.NONE)) {
                    int victim = victim();
                    boolean itself = running.get(victim) == sequence;
                    preempt(victim, batch);
                    if (itself) {
                        return;
                    }
                    if (victim < cursor) {
                        cursor--;
                    }
                }
                batch.add(sequence, count, Kind.RUNNING);
                budget -= count;
            }
            cursor++;
        }
    }

    private void admitWaiting(Batch batch) {
        while (!waiting.isEmpty() && budget > 0 && running.size() < settings.maxSequences()) {
            Sequence sequence = waiting.head();
            int local = sequence.readsCache() ? cache.lookup(sequence.table(), sequence.tokenCount()) : none();
            int answer = connector.match(sequence, local);
            if (answer == KvConnector.ASK_AGAIN) {
                waiting.skip(sequence);
                continue;
            }
            int external = acceptedPromise(sequence, local, answer);
            sequence.planPrefill(local, external);
            int found = local + external;
            int count = cap(sequence.tokenCount() - found);
            if (count > budget && !settings.chunkedPrefill()) {
                break;
            }
            count = Math.min(count, budget);
            if (!cache.allocate(sequence.table(), found + count, sequence.tokenCount(), headroomOf(sequence))) {
                break;
            }
            admit(sequence, local, external, count, batch);
        }
        waiting.restoreSkipped();
    }

    private void admit(Sequence sequence, int local, int external, int count, Batch batch) {
        boolean resumed = sequence.state == Sequence.State.PREEMPTED;
        connector.onAllocated(
                sequence, sequence.table().blocks(), sequence.table().size(), external);
        if (settings.prefixCaching() && sequence.readsCache()) {
            listener.onLocalLookup(sequence.tokenCount(), local, resumed);
        }
        if (connector.isPresent() && sequence.tokenCount() > local) {
            listener.onExternalLookup(sequence.tokenCount() - local, external, resumed);
        }
        waiting.remove(sequence);
        running.add(sequence);
        sequence.state = Sequence.State.RUNNING;
        sequence.computed = local + external;
        sequence.registeredBefore = local / cache.layout().blockSize();
        batch.add(sequence, count, resumed ? Kind.RESUMED : Kind.NEW);
        if (!resumed) {
            batch.addFirstScheduled(sequence);
        }
        budget -= count;
    }

    private void preempt(int index, Batch batch) {
        Sequence sequence = running.remove(index);
        int unscheduled = batch.remove(sequence);
        if (unscheduled > 0) {
            budget += unscheduled;
            cache.unregisterFrom(sequence.table(), sequence.registeredBefore);
        }
        cache.release(sequence.table());
        sequence.state = Sequence.State.PREEMPTED;
        sequence.computed = 0;
        sequence.timeline().preemptions++;
        waiting.addFirst(sequence);
        batch.addPreempted(sequence);
    }

    /** Preempts every running sequence, the last admitted first, so that the queue has the order of admission. */
    void preemptAll(Batch batch) {
        for (int i = running.size() - 1; i >= 0; i--) {
            preempt(i, batch);
        }
    }

    private int victim() {
        if (settings.policy() == Policy.FCFS) {
            return running.size() - 1;
        }
        int worst = 0;
        for (int i = 1; i < running.size(); i++) {
            if (WaitingQueue.BY_PRIORITY.compare(running.get(i), running.get(worst)) > 0) {
                worst = i;
            }
        }
        return worst;
    }

    private boolean allocate(Sequence sequence, int count, Headroom headroom) {
        return cache.allocate(sequence.table(), sequence.computed + count, sequence.tokenCount(), headroom);
    }

    private int none() {
        cache.skipLookup();
        return 0;
    }

    private int cap(int count) {
        int threshold = settings.longPrefillThreshold();
        return threshold > 0 ? Math.min(count, threshold) : count;
    }

    /** A connector that promises the last token too, or more than there is, is not believed: the step needs one. */
    private static int acceptedPromise(Sequence sequence, int local, int promise) {
        return promise < 0 || promise >= sequence.tokenCount() - local ? 0 : promise;
    }

    private Headroom headroomOf(Sequence sequence) {
        return new Headroom(
                settings.reserveFullSequence() ? sequence.tokenCount() : 0, running.isEmpty() ? 0 : watermarkBlocks, 0);
    }
}
