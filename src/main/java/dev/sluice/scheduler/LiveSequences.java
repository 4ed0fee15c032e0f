package dev.sluice.scheduler;

import dev.sluice.kv.BlockHasher;
import dev.sluice.kv.BlockTable;
import dev.sluice.kv.KvCache;
import dev.sluice.offload.KvConnector;
import dev.sluice.request.FailureKind;
import dev.sluice.request.FinishReason;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.TokenEvent;
import dev.sluice.request.TokenSink;
import dev.sluice.scheduler.Sequence.State;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The owner of all sequences that have not ended: which of them wait, which are being loaded, which run. Each transition
 * is one method here, and tells whoever has to know: queues, connector, listener and, at the end, the reader. Nobody else
 * writes a sequence's state.
 */
final class LiveSequences {

    private final KvCache cache;
    private final KvConnector connector;
    private final LifecycleListener listener;
    private final BlockHasher hasher;
    private final HeldBlocks held;
    private final WaitingQueue waiting;
    private final Map<String, Sequence> live = new LinkedHashMap<>();
    private final List<Sequence> running = new ArrayList<>();
    private final List<Sequence> loading = new ArrayList<>();
    private long numbers;

    LiveSequences(
            KvCache cache,
            KvConnector connector,
            LifecycleListener listener,
            BlockHasher hasher,
            HeldBlocks held,
            SchedulerSettings.Policy policy) {
        this.cache = cache;
        this.connector = connector;
        this.listener = listener;
        this.hasher = hasher;
        this.held = held;
        waiting = new WaitingQueue(policy);
    }

    /** In the order of their arrival. */
    Collection<Sequence> all() {
        return Collections.unmodifiableCollection(live.values());
    }

    @Nullable
    Sequence find(String requestId) {
        return live.get(requestId);
    }

    boolean isEmpty() {
        return live.isEmpty();
    }

    /** Those in the batch, in the order of their admission. */
    List<Sequence> running() {
        return Collections.unmodifiableList(running);
    }

    /** Those that wait for a load, or whose load has ended and who were not tried since. */
    List<Sequence> loading() {
        return Collections.unmodifiableList(loading);
    }

    /** The queue of the others: the planner asks it for the next one, and sets aside whom it cannot try. */
    WaitingQueue waiting() {
        return waiting;
    }

    /** Takes a request in: it waits. */
    void add(GenerationRequest request, TokenSink sink, long nowNanos) {
        Sequence sequence = new Sequence(++numbers, request, sink, hasher);
        live.put(request.id(), sequence);
        waiting.addLast(sequence);
        sequence.timeline().queuedNanos = nowNanos;
        connector.onNewRequest(sequence);
        listener.onQueued(sequence.timeline());
    }

    /**
     * Counts what was found as computed, now that the sequence has blocks for it, and has the connector begin the load of the
     * last {@code external} tokens. If that cannot begin although it was promised, everything is as before, but that the
     * connector is not asked again before the next admission.
     *
     * @param local tokens that were found on the device
     * @return what {@link KvConnector#onAllocated} answers
     */
    long beginLoad(Sequence sequence, int found, int local, int external) {
        BlockTable table = sequence.table();
        sequence.computed = found;
        long job = connector.onAllocated(sequence, table.blocks(), table.size(), external);
        if (job == KvConnector.NOT_LOADED) {
            cache.unregisterFrom(table, local / cache.layout().blockSize());
            cache.release(table);
            sequence.computed = 0;
            sequence.loadRefused = true;
        }
        return job;
    }

    private static void found(Sequence sequence, int found, int external) {
        sequence.promptWork().admitted(found);
        sequence.loadFrom = found - external;
        sequence.loadTo = found;
        sequence.loadFailed = false;
        sequence.loadRefused = false;
    }

    /** Into the batch, with what the caches were found to hold. */
    void admit(Sequence sequence, int found, int external, long nowNanos) {
        found(sequence, found, external);
        admitLoaded(sequence, nowNanos);
    }

    /** Into the batch, with what a load has brought. */
    void admitLoaded(Sequence sequence, long nowNanos) {
        waiting.remove(sequence);
        running.add(sequence);
        sequence.state = State.RUNNING;
        RequestTimeline timeline = sequence.timeline();
        if (timeline.scheduledNanos == RequestTimeline.NEVER) {
            timeline.scheduledNanos = nowNanos;
            listener.onScheduled(timeline);
        }
    }

    /** It waits with its blocks while this job fills the last ones. */
    void admitLoading(Sequence sequence, int found, int external, long job) {
        found(sequence, found, external);
        sequence.state = State.WAITING_FOR_REMOTE_KVS;
        sequence.loadJob = job;
        loading.add(sequence);
        waiting.skip(sequence);
    }

    /** The load is over, well or not: the sequence can be promoted. */
    void loadEnded(Sequence sequence) {
        sequence.loadJob = KvConnector.NO_JOB;
    }

    /**
     * Lets a sequence whose load has ended be admitted.
     *
     * @return false if the load is still under way
     */
    boolean promote(Sequence sequence) {
        if (sequence.loadJob != KvConnector.NO_JOB) {
            return false;
        }
        stopLoading(sequence);
        if (sequence.computed == 0) {
            cache.release(sequence.table()); // nothing of use arrived: look everywhere again
            return true;
        }
        cache.register(sequence.table(), sequence.computed);
        if (sequence.computed == sequence.tokenCount()) {
            sequence.computed--; // its logits have to come from somewhere
        }
        return true;
    }

    private void stopLoading(Sequence sequence) {
        loading.remove(sequence);
        sequence.state = sequence.timeline().preemptions > 0 ? State.PREEMPTED : State.WAITING;
    }

    /** It goes on without the load it waits for; the blocks stay out of use as long as the copy may write them. */
    void abandonLoad(Sequence sequence) {
        held.hold(sequence.loadJob, sequence.table().surrender());
        sequence.loadJob = KvConnector.NO_JOB;
        sequence.computed = 0;
        stopLoading(sequence);
    }

    /**
     * What a load was to bring is not there from this position on: it will be computed.
     *
     * @param scheduled tokens that a step computes behind what was there before it: these are lost too
     * @param ownLoad false if it only shares a block that another one was loading: then that is no failure of its own
     * @return true if this is the first sign that the load has failed
     */
    boolean loseLoaded(Sequence sequence, int position, int scheduled, boolean ownLoad) {
        sequence.promptWork().lost(position, sequence.computed - scheduled);
        sequence.computed = position;
        if (!ownLoad || sequence.loadFailed) {
            return false;
        }
        sequence.loadFailed = true;
        sequence.failedLoads++;
        listener.onLoadFailed(sequence.timeline());
        return true;
    }

    /** Of what a sequence that is being loaded has found, only so many blocks hold what they should. */
    void keepFound(Sequence sequence, int blocks) {
        int tokens = blocks * cache.layout().blockSize();
        if (tokens < sequence.computed) {
            sequence.computed = tokens;
            sequence.foundOnly(tokens);
        }
        cache.disown(sequence.table(), blocks);
    }

    /** The lines of a step are final: what they compute counts as computed from now on. */
    void advance(Step step) {
        for (int i = 0; i < step.size(); i++) {
            Sequence sequence = step.get(i);
            sequence.computed += step.count(i);
            sequence.unsettled += step.isAhead(i) ? step.count(i) : 0;
        }
    }

    /** The last tokens that are computed are not certain: the step that computes them is still under way. */
    void unsettle(Sequence sequence, int tokens) {
        sequence.unsettled = tokens;
    }

    /** A step is over: what its sequences have computed is certain, but for what the step after it computes. */
    void settle(Step step, @Nullable Step ahead) {
        for (int i = 0; i < step.size(); i++) {
            step.get(i).unsettled = 0;
        }
        for (int i = 0; ahead != null && i < ahead.size(); i++) {
            ahead.get(i).unsettled = ahead.count(i);
        }
    }

    /** A line was not computed: its blocks from the given one on must not be found, and nothing it holds can be trusted. */
    void rollBack(Sequence sequence, int registeredBefore) {
        cache.unregisterFrom(sequence.table(), registeredBefore);
        sequence.computed = 0;
        sequence.unsettled = 0;
    }

    /** Takes all blocks from a running sequence and lets it wait again, before all others. */
    void preempt(Sequence sequence) {
        running.remove(sequence);
        loseBlocks(sequence);
        sequence.state = State.PREEMPTED;
        waiting.addFirst(sequence);
    }

    /** Takes all blocks from a sequence that waits with what a load has brought. */
    void reclaim(Sequence sequence) {
        loseBlocks(sequence);
        stopLoading(sequence);
    }

    private void loseBlocks(Sequence sequence) {
        connector.onPreempted(
                sequence, sequence.table().blocks(), sequence.table().size());
        cache.release(sequence.table());
        sequence.computed = 0;
        sequence.timeline().preemptions++;
        listener.onPreempted(sequence.timeline());
    }

    /**
     * Takes the blocks of all sequences: preempts every running one, the last admitted first, so that the queue has the
     * order of admission, and those that wait with blocks; who is being loaded goes on without its load, and nobody blames
     * that.
     */
    void preemptAll() {
        for (int i = running.size() - 1; i >= 0; i--) {
            preempt(running.get(i));
        }
        for (Sequence sequence : List.copyOf(loading)) {
            if (sequence.loadJob != KvConnector.NO_JOB) {
                abandonLoad(sequence);
                sequence.promptWork().admittedInVain();
            }
        }
        waiting.forEach(sequence -> {
            if (sequence.holdsIdleBlocks()) {
                reclaim(sequence);
            }
        });
    }

    /** Ends a sequence regularly; does nothing if it has ended. */
    void finish(Sequence sequence, FinishReason reason, int stopTokenId) {
        end(sequence, reason, new TokenEvent.Finished(reason, stopTokenId));
    }

    /** Ends a sequence with a failure; does nothing if it has ended. */
    void fail(Sequence sequence, FailureKind kind, String message) {
        FinishReason reason = switch (kind) {
            case DEADLINE, DRAINING, SLOW_READER -> FinishReason.ABORT;
            case INVALID_REQUEST, OVERLOADED, INTERNAL -> FinishReason.ERROR;
        };
        end(sequence, reason, new TokenEvent.Failed(kind, message));
    }

    /** The one way out: blocks come back, connector and listener hear of it, the reader gets exactly one terminal event. */
    private void end(Sequence sequence, FinishReason reason, TokenEvent terminal) {
        if (sequence.isFinished()) {
            return;
        }
        if (sequence.isRunning()) {
            running.remove(sequence);
        } else {
            waiting.remove(sequence);
            loading.remove(sequence);
        }
        sequence.state = State.FINISHED;
        live.remove(sequence.request().id());
        try {
            BlockTable table = sequence.table();
            connector.onFinished(sequence, table.blocks(), table.size());
            if (sequence.loadJob == KvConnector.NO_JOB) {
                cache.release(table);
            } else {
                held.hold(sequence.loadJob, table.surrender());
            }
            sequence.promptWork().settle(PromptWork.WASTED, listener, sequence.timeline());
            listener.onFinished(sequence.timeline(), reason);
        } finally {
            sequence.emit(terminal);
        }
    }

    /** Tells every reader of the end, without touching what can no longer be trusted. */
    void abandonAll(String message) {
        for (Sequence sequence : live.values()) {
            sequence.emit(new TokenEvent.Failed(FailureKind.INTERNAL, message));
        }
        live.clear();
    }
}
