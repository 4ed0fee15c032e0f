package dev.sluice.scheduler;

import dev.sluice.executor.ScheduledSequence.Kind;
import dev.sluice.kv.Headroom;
import dev.sluice.kv.KvCache;
import dev.sluice.offload.ExternalMatch;
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
    private final RemoteLoads loads;
    private final LifecycleListener listener;
    private final WaitingQueue waiting;
    private final List<Sequence> running;
    private final int watermarkBlocks;
    private int budget;

    BatchPlanner(
            SchedulerSettings settings,
            KvCache cache,
            KvConnector connector,
            RemoteLoads loads,
            LifecycleListener listener,
            WaitingQueue waiting,
            List<Sequence> running) {
        this.settings = settings;
        this.cache = cache;
        this.connector = connector;
        this.loads = loads;
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
                int registered = sequence.table().registered();
                while (!allocate(sequence, count, Headroom.NONE)) {
                    int victim = victim();
                    if (reclaimBefore(running.get(victim), batch)) {
                        continue;
                    }
                    boolean itself = running.get(victim) == sequence;
                    preempt(victim, batch);
                    if (itself) {
                        return;
                    }
                    if (victim < cursor) {
                        cursor--;
                    }
                }
                batch.add(sequence, count, Kind.RUNNING, registered);
                budget -= count;
            }
            cursor++;
        }
    }

    private void admitWaiting(Batch batch) {
        while (!waiting.isEmpty() && budget > 0 && running.size() < settings.maxSequences()) {
            Sequence sequence = waiting.head();
            if (sequence.state == Sequence.State.WAITING_FOR_STREAMING_REQ
                    || (sequence.state == Sequence.State.WAITING_FOR_REMOTE_KVS && !loads.promote(sequence))) {
                waiting.skip(sequence);
                continue;
            }
            int local = sequence.computed == 0 ? cache.lookup(sequence.table(), sequence.tokenCount()) : 0;
            ExternalMatch match = sequence.computed == 0 ? ask(sequence, local) : ExternalMatch.NONE;
            int external = match.tokens();
            if (match.askAgain()) {
                waiting.skip(sequence);
                continue;
            }
            boolean loadsFirst = external > 0 && connector.loadsAsynchronously();
            boolean admitted = loadsFirst
                    ? admitLoading(sequence, local, external)
                    : admitRunning(sequence, local, external, batch);
            if (!admitted && !reclaim(sequence, batch)) {
                break;
            }
        }
        waiting.restoreSkipped();
    }

    /**
     * Nothing runs, nothing is being loaded, and the head of the queue does not fit: then blocks can only be held by
     * others that wait, loaded or parked, and would be held for ever. The last of them loses its own.
     */
    private boolean reclaim(Sequence head, Batch batch) {
        if (batch.size() > 0 || !running.isEmpty() || loads.isLoading()) {
            return false;
        }
        Sequence holder = waiting.lastHolderBut(head);
        if (holder != null) {
            reclaimFrom(holder, batch);
        }
        return holder != null;
    }

    /**
     * Who waits with blocks, loaded or parked, loses them before one that runs does, unless its priority is higher.
     * Otherwise those that run would preempt each other for ever around blocks that nobody uses.
     */
    private boolean reclaimBefore(Sequence victim, Batch batch) {
        Sequence holder = waiting.lastHolderBut(victim);
        if (holder == null
                || (settings.policy() == Policy.PRIORITY && WaitingQueue.BY_PRIORITY.compare(holder, victim) < 0)) {
            return false;
        }
        reclaimFrom(holder, batch);
        return true;
    }

    private void reclaimFrom(Sequence holder, Batch batch) {
        loseBlocks(holder);
        batch.addPreempted(holder);
        if (holder.state != Sequence.State.WAITING_FOR_STREAMING_REQ) {
            loads.forget(holder);
        }
    }

    /** Asks the connector, and notes where the prompt's tokens would come from if the sequence were admitted now. */
    private ExternalMatch ask(Sequence sequence, int local) {
        // A single token has to be computed in any case, for its logits.
        boolean asks =
                !sequence.loadRefused && sequence.failedLoads < RemoteLoads.FAILURES_MAX && sequence.tokenCount() > 1;
        if (asks) {
            connector.prefetch(sequence, local);
        }
        ExternalMatch match = asks ? connector.match(sequence, local) : ExternalMatch.NONE;
        if (!match.askAgain()) {
            sequence.planPrefill(local, match.byTier());
        }
        return match;
    }

    /** Into the batch: with blocks for its first tokens, after what the caches hold or what a load has brought. */
    private boolean admitRunning(Sequence sequence, int local, int external, Batch batch) {
        boolean loaded = sequence.computed > 0;
        int found = loaded ? sequence.computed : local + external;
        int count = cap(sequence.tokenCount() - found);
        if (count > budget && !settings.chunkedPrefill()) {
            return false;
        }
        count = Math.min(count, budget);
        if (loaded) {
            cache.skipLookup();
        }
        int registered =
                loaded ? sequence.table().registered() : local / cache.layout().blockSize();
        if (!cache.allocate(sequence.table(), found + count, sequence.tokenCount(), headroomOf(sequence, 0))) {
            return false;
        }
        sequence.computed = found;
        if (beginLoad(sequence, external) == KvConnector.NOT_LOADED) {
            return undo(sequence, local);
        }
        if (!loaded) {
            countLookups(sequence, local, external);
            sequence.admitted(found, external);
        }
        boolean resumed = sequence.state == Sequence.State.PREEMPTED;
        waiting.remove(sequence);
        running.add(sequence);
        sequence.state = Sequence.State.RUNNING;
        batch.add(sequence, count, resumed ? Kind.RESUMED : Kind.NEW, registered);
        if (sequence.timeline().scheduledNanos == RequestTimeline.NEVER) {
            batch.addFirstScheduled(sequence);
        }
        if (external > 0) {
            batch.addLoad();
        }
        budget -= count;
        return true;
    }

    /** Into waiting with blocks for what is found, while the connector fills those it promised. */
    private boolean admitLoading(Sequence sequence, int local, int external) {
        int found = local + external;
        Headroom headroom = headroomOf(sequence, loads.reservedBlocks(running));
        if (!cache.allocate(sequence.table(), found, local, headroom)) {
            return false;
        }
        sequence.computed = found;
        long job = beginLoad(sequence, external);
        if (job == KvConnector.NOT_LOADED) {
            return undo(sequence, local);
        }
        countLookups(sequence, local, external);
        sequence.admitted(found, external);
        loads.begin(sequence, job);
        waiting.skip(sequence);
        return true;
    }

    private long beginLoad(Sequence sequence, int external) {
        return connector.onAllocated(
                sequence, sequence.table().blocks(), sequence.table().size(), external);
    }

    /**
     * The connector could not begin what it had promised: as if the sequence had not been tried, but that the connector is
     * not asked again.
     *
     * @return true: the sequence is still the head, and the next attempt is made at once
     */
    private boolean undo(Sequence sequence, int local) {
        cache.unregisterFrom(sequence.table(), local / cache.layout().blockSize());
        cache.release(sequence.table());
        sequence.computed = 0;
        sequence.loadRefused = true;
        return true;
    }

    private void countLookups(Sequence sequence, int local, int external) {
        boolean resumed = sequence.timeline().preemptions > 0;
        if (!sequence.takeLookups()) {
            return; // a load has failed, and the same tokens are looked for again
        }
        if (settings.prefixCaching()) {
            listener.onLocalLookup(sequence.tokenCount(), local, resumed);
        }
        if (connector.isPresent() && sequence.tokenCount() > local) {
            listener.onExternalLookup(sequence.tokenCount() - local, external, resumed);
        }
    }

    private void preempt(int index, Batch batch) {
        Sequence sequence = running.get(index);
        int line = batch.indexOf(sequence);
        if (line >= 0) {
            budget += batch.count(line);
            cache.unregisterFrom(sequence.table(), batch.registeredBefore(line));
            batch.remove(line);
        }
        sendBack(sequence);
        batch.addPreempted(sequence);
    }

    /** Takes all blocks from a running sequence and lets it wait again, before all others. */
    void sendBack(Sequence sequence) {
        running.remove(sequence);
        loseBlocks(sequence);
        sequence.state = Sequence.State.PREEMPTED;
        waiting.addFirst(sequence);
    }

    private void loseBlocks(Sequence sequence) {
        connector.onPreempted(
                sequence, sequence.table().blocks(), sequence.table().size());
        cache.release(sequence.table());
        sequence.computed = 0;
        sequence.timeline().preemptions++;
    }

    /**
     * Takes the blocks of all sequences: preempts every running one, the last admitted first, so that the queue has the
     * order of admission, and those that wait with blocks; who is being loaded goes on without its load.
     */
    void preemptAll(Batch batch) {
        for (int i = running.size() - 1; i >= 0; i--) {
            preempt(i, batch);
        }
        loads.giveUpAll();
        waiting.forEach(sequence -> {
            if (sequence.holdsIdleBlocks()) {
                reclaimFrom(sequence, batch);
            }
        });
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

    private int cap(int count) {
        int threshold = settings.longPrefillThreshold();
        return threshold > 0 ? Math.min(count, threshold) : count;
    }

    private Headroom headroomOf(Sequence sequence, int reservedBlocks) {
        return new Headroom(
                settings.reserveFullSequence() ? sequence.tokenCount() : 0,
                running.isEmpty() ? 0 : watermarkBlocks,
                reservedBlocks);
    }
}
