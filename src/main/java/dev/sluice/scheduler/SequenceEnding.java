package dev.sluice.scheduler;

import dev.sluice.executor.StepPlan;
import dev.sluice.kv.BlockTable;
import dev.sluice.kv.KvCache;
import dev.sluice.offload.KvConnector;
import dev.sluice.request.FailureKind;
import dev.sluice.request.FinishReason;
import dev.sluice.request.TokenEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * The one way out: every end of a sequence, regular or not, goes through here, so that its blocks come back, the
 * connector and the listener hear of it, and its reader gets exactly one terminal event.
 */
final class SequenceEnding {

    private final KvCache cache;
    private final KvConnector connector;
    private final RemoteLoads loads;
    private final LifecycleListener listener;
    private final WaitingQueue waiting;
    private final List<Sequence> running;
    private final Map<String, Sequence> live;
    private final Consumer<Sequence> sendBack;
    private final List<Sequence> ended = new ArrayList<>();

    SequenceEnding(
            KvCache cache,
            KvConnector connector,
            RemoteLoads loads,
            LifecycleListener listener,
            WaitingQueue waiting,
            List<Sequence> running,
            Map<String, Sequence> live,
            Consumer<Sequence> sendBack) {
        this.cache = cache;
        this.connector = connector;
        this.loads = loads;
        this.listener = listener;
        this.waiting = waiting;
        this.running = running;
        this.live = live;
        this.sendBack = sendBack;
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

    /** Fails a sequence whose part of a step was not computed: its new blocks must not be found by others. */
    void failUncomputed(Batch batch, int index, String message) {
        takeBackStep(batch, index);
        fail(batch.get(index), FailureKind.INTERNAL, message);
    }

    /** Takes back what the step has added; one begun after it, whose line is void now, has registered nothing. */
    private void takeBackStep(Batch batch, int index) {
        Sequence sequence = batch.get(index);
        loads.notComputed(sequence.table(), batch.registeredBefore(index));
        cache.unregisterFrom(sequence.table(), batch.registeredBefore(index));
        sequence.computed = 0; // of what it holds, nothing can be trusted enough to be kept elsewhere
        sequence.unsettled = 0;
    }

    /**
     * Fails one sequence of a step. Those that were planned to share the blocks it was to compute in this very step go back
     * to the queue and are computed anew; a shared block has the same index in both tables.
     */
    void failAlone(Batch batch, int index, String message) {
        for (int i = batch.size() - 1; i > index; i--) { // backwards, since each goes to the front of the queue
            Sequence other = batch.get(i);
            if (!other.isFinished() && batch.count(i) > 0 && sharesUncomputed(batch, index, other.table())) {
                takeBackStep(batch, i);
                batch.takeBack(i);
                other.admittedInVain();
                sendBack.accept(other);
                listener.onPreempted(other.timeline());
            }
        }
        failUncomputed(batch, index, message);
    }

    private static boolean sharesUncomputed(Batch batch, int culprit, BlockTable other) {
        BlockTable bad = batch.get(culprit).table();
        for (int block = batch.registeredBefore(culprit); block < Math.min(bad.registered(), other.size()); block++) {
            if (other.block(block) == bad.block(block)) {
                return true;
            }
        }
        return false;
    }

    private void end(Sequence sequence, FinishReason reason, TokenEvent terminal) {
        if (sequence.isFinished()) {
            return;
        }
        if (sequence.state == Sequence.State.RUNNING) {
            running.remove(sequence);
        } else {
            waiting.remove(sequence);
        }
        sequence.state = Sequence.State.FINISHED;
        live.remove(sequence.request().id());
        try {
            releaseBlocks(sequence);
            ended.add(sequence);
            sequence.ledger().settle(PromptWork.WASTED, listener, sequence.timeline());
            listener.onFinished(sequence.timeline(), reason);
        } finally {
            sequence.emit(terminal);
        }
    }

    private void releaseBlocks(Sequence sequence) {
        BlockTable table = sequence.table();
        connector.onFinished(sequence, table.blocks(), table.size());
        loads.release(sequence);
    }

    /** Reports to the executor, in the next work order, who has ended since the last one. */
    void reportEnded(StepPlan plan) {
        for (int i = 0; i < ended.size(); i++) {
            plan.addFinished(ended.get(i).sequence());
        }
        ended.clear();
    }
}
