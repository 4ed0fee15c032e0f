package dev.sluice.scheduler;

import dev.sluice.kv.Headroom;
import dev.sluice.kv.KvCache;
import dev.sluice.kv.PrefixHit;
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
    private final LiveSequences sequences;
    private final WaitingQueue waiting;
    private final List<Sequence> running;
    private final int watermarkBlocks;
    private int budget;
    private boolean preempts;

    BatchPlanner(
            SchedulerSettings settings,
            KvCache cache,
            KvConnector connector,
            RemoteLoads loads,
            LifecycleListener listener,
            LiveSequences sequences) {
        this.settings = settings;
        this.cache = cache;
        this.connector = connector;
        this.loads = loads;
        this.listener = listener;
        this.sequences = sequences;
        waiting = sequences.waiting();
        running = sequences.running();
        watermarkBlocks = (int) (settings.watermark() * cache.layout().blockCount());
    }

    /** Fills the step; queues, blocks and states follow the decisions at once. */
    void plan(Step step) {
        step.clear();
        budget = settings.maxBatchedTokens();
        preempts = false;
        scheduleRunning(step);
        if (!preempts) {
            admitWaiting(step);
        }
    }

    private void scheduleRunning(Step step) {
        int cursor = 0;
        while (cursor < running.size() && budget > 0) {
            Sequence sequence = running.get(cursor);
            int count = Math.min(cap(sequence.tokenCount() - sequence.computed), budget);
            if (count > 0) {
                int registered = sequence.table().registered();
                while (!allocate(sequence, count)) {
                    int victim = victim();
                    preempts = true;
                    if (reclaimBefore(running.get(victim))) {
                        continue;
                    }
                    boolean itself = running.get(victim) == sequence;
                    preempt(running.get(victim), step);
                    if (itself) {
                        return;
                    }
                    if (victim < cursor) {
                        cursor--;
                    }
                }
                step.add(sequence, count, registered);
                budget -= count;
            }
            cursor++;
        }
    }

    private void admitWaiting(Step step) {
        while (!waiting.isEmpty() && budget > 0 && running.size() < settings.maxSequences()) {
            Sequence sequence = waiting.head();
            if (sequence.state == Sequence.State.WAITING_FOR_REMOTE_KVS && !sequences.promote(sequence)) {
                waiting.skip(sequence);
                continue;
            }
            boolean loaded = sequence.computed > 0;
            PrefixHit local = loaded ? PrefixHit.NONE : cache.lookup(sequence.table(), sequence.tokenCount());
            ExternalMatch match = loaded ? ExternalMatch.NONE : ask(sequence, local.tokens());
            if (match.askAgain()) {
                waiting.skip(sequence);
                continue;
            }
            boolean loadsFirst = match.tokens() > 0 && connector.loadsAsynchronously();
            boolean admitted = loadsFirst
                    ? admitLoading(sequence, local, match.tokens(), step)
                    : admitRunning(sequence, local, match.tokens(), step);
            if (!admitted && !reclaim(sequence, step)) {
                break;
            }
        }
        waiting.restoreSkipped();
    }

    /**
     * Nothing runs, nothing is being loaded, and the head of the queue does not fit: then blocks can only be held by
     * others that wait after a load, and would be held for ever. The last of them loses its own.
     */
    private boolean reclaim(Sequence head, Step step) {
        if (step.size() > 0 || !running.isEmpty() || loads.isLoading()) {
            return false;
        }
        Sequence holder = waiting.lastHolderBut(head);
        if (holder != null) {
            sequences.reclaim(holder);
        }
        return holder != null;
    }

    /**
     * Who waits with loaded blocks loses them before one that runs does, unless its priority is higher.
     * Otherwise those that run would preempt each other for ever around blocks that nobody uses.
     */
    private boolean reclaimBefore(Sequence victim) {
        Sequence holder = waiting.lastHolderBut(victim);
        if (holder == null
                || (settings.policy() == Policy.PRIORITY && WaitingQueue.BY_PRIORITY.compare(holder, victim) < 0)) {
            return false;
        }
        sequences.reclaim(holder);
        return true;
    }

    /** Asks the connector, and notes where the prompt's tokens would come from if the sequence were admitted now. */
    private ExternalMatch ask(Sequence sequence, int local) {
        // A single token has to be computed in any case, for its logits.
        boolean asks =
                !sequence.loadRefused && sequence.failedLoads < RemoteLoads.FAILURES_MAX && sequence.tokenCount() > 1;
        ExternalMatch match = asks ? connector.match(sequence, local) : ExternalMatch.NONE;
        if (!match.askAgain()) {
            sequence.planPrefill(local, match.byTier());
        }
        return match;
    }

    /** Into the batch: with blocks for its first tokens, after what the caches hold or what a load has brought. */
    private boolean admitRunning(Sequence sequence, PrefixHit local, int external, Step step) {
        boolean loaded = sequence.computed > 0;
        int found = loaded ? sequence.computed : local.tokens() + external;
        int count = cap(sequence.tokenCount() - found);
        if (count > budget && !settings.chunkedPrefill()) {
            return false;
        }
        count = Math.min(count, budget);
        int registered = loaded ? sequence.table().registered() : local.blocks().length;
        Headroom headroom = headroomOf(sequence, 0);
        if (!cache.allocate(sequence.table(), local, found + count, sequence.tokenCount(), headroom)) {
            return false;
        }
        if (sequences.beginLoad(sequence, found, local.tokens(), external) == KvConnector.NOT_LOADED) {
            return true; // still the head: the next attempt is made at once
        }
        if (loaded) {
            sequences.admitLoaded(sequence, step.startNanos);
        } else {
            countLookups(sequence, local.tokens(), external);
            sequences.admit(sequence, found, external, step.startNanos);
        }
        step.addAdmitted(sequence, count, registered);
        if (external > 0) {
            step.addLoad();
        }
        budget -= count;
        return true;
    }

    /** Into waiting with blocks for what is found, while the connector fills those it promised. */
    private boolean admitLoading(Sequence sequence, PrefixHit local, int external, Step step) {
        int found = local.tokens() + external;
        Headroom headroom = headroomOf(sequence, reservedBlocks(step));
        if (!cache.allocate(sequence.table(), local, found, local.tokens(), headroom)) {
            return false;
        }
        long job = sequences.beginLoad(sequence, found, local.tokens(), external);
        if (job != KvConnector.NOT_LOADED) {
            countLookups(sequence, local.tokens(), external);
            sequences.admitLoading(sequence, found, external, job);
        }
        return true;
    }

    /** Blocks that sequences admitted earlier still need before they can do without a load, or finish their prompt. */
    private int reservedBlocks(Step step) {
        int reserved = 0;
        for (Sequence sequence : sequences.loading()) {
            reserved += missingBlocks(sequence);
        }
        int line = 0; // the lines of the step follow the order of the running ones
        for (Sequence sequence : running) {
            int scheduled = 0;
            if (line < step.size() && step.get(line) == sequence) {
                scheduled = step.count(line++);
            }
            if (sequence.computed + scheduled < sequence.promptLength()) {
                reserved += missingBlocks(sequence);
            }
        }
        return reserved;
    }

    private int missingBlocks(Sequence sequence) {
        return cache.layout().blocksFor(sequence.tokenCount())
                - sequence.table().size();
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

    private void preempt(Sequence sequence, Step step) {
        int line = step.indexOf(sequence);
        if (line >= 0) {
            budget += step.count(line);
            cache.unregisterFrom(sequence.table(), step.registeredBefore(line));
            step.remove(line);
        }
        sequences.preempt(sequence);
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

    private boolean allocate(Sequence sequence, int count) {
        return cache.allocate(
                sequence.table(), PrefixHit.NONE, sequence.computed + count, sequence.tokenCount(), Headroom.NONE);
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
