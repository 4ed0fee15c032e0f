package dev.sluice.scheduler;

import dev.sluice.executor.ScheduledSequence;
import dev.sluice.kv.Headroom;
import dev.sluice.kv.KvCache;
import java.util.List;

/**
 * Plans the step after one that still runs, so that the device need not wait for the host between two tokens: vLLM's
 * asynchronous scheduling, for the steady state only.
 *
 * <p>Such a step gives every running sequence one more token, the one whose id the running step is about to yield. It
 * admits, preempts and loads nobody: where that might be due, nothing is planned ahead, and the planner decides when the
 * running step is over. What the result of the running step then changes cannot be foreseen; a line whose sequence has
 * ended by then was computed in vain and is ignored.
 */
final class StepAhead {

    private final boolean enabled;
    private final int maxSequences;
    private final int contextLength;
    private final KvCache cache;
    private final RemoteLoads loads;
    private final WaitingQueue waiting;
    private final List<Sequence> running;

    /** @param executorCan whether the executor takes a step while the one before runs */
    StepAhead(
            SchedulerSettings settings,
            boolean executorCan,
            KvCache cache,
            RemoteLoads loads,
            WaitingQueue waiting,
            List<Sequence> running) {
        enabled = settings.overlap() && executorCan;
        maxSequences = settings.maxSequences();
        contextLength = settings.contextLength();
        this.cache = cache;
        this.loads = loads;
        this.waiting = waiting;
        this.running = running;
    }

    /**
     * Fills the batch for the step after {@code current}, whose result is not known, and gives its sequences their blocks.
     *
     * @return false, with nothing changed, if that step cannot be planned yet, or would be empty
     */
    boolean plan(Step current, Batch batch) {
        if (!enabled || !current.runs() || current.batch.loads() || loads.isLoading()) {
            return false;
        }
        int lines = countLines(current);
        if (lines == 0 || (!waiting.isEmpty() && lines < maxSequences)) {
            return false;
        }
        batch.clear();
        cache.skipLookup();
        for (int i = 0; i < current.batch.size(); i++) {
            if (goesOn(current.batch.get(i))) {
                add(current.batch, i, batch);
            }
        }
        return true;
    }

    /** Sequences that the step would have; 0 if it cannot be planned yet. */
    private int countLines(Step current) {
        int alive = 0;
        int lines = 0;
        int blocks = 0;
        for (int i = 0; i < current.batch.size(); i++) {
            Sequence sequence = current.batch.get(i);
            if (sequence.state != Sequence.State.RUNNING) {
                continue;
            }
            if (!current.plan.get(i).samples() || sequence.request().resumable()) {
                return 0; // a prefill has more to compute than one token, and a session may stop without ending
            }
            alive++;
            if (goesOn(sequence)) {
                lines++;
                blocks += Math.max(
                        0,
                        cache.layout().blocksFor(sequence.computed + 1)
                                - sequence.table().size());
            }
        }
        boolean everybody = alive == running.size(); // or who is left out now would be left out for ever
        return everybody && blocks <= cache.pool().free() ? lines : 0;
    }

    private boolean goesOn(Sequence sequence) {
        return sequence.state == Sequence.State.RUNNING && !sequence.endsWithNextToken(contextLength);
    }

    private void add(Batch current, int line, Batch batch) {
        Sequence sequence = current.get(line);
        if (!cache.allocate(sequence.table(), sequence.computed + 1, 0, Headroom.NONE)) {
            throw new IllegalStateException("a block that was counted as free is not");
        }
        // Of one that was just admitted, what it found may be computed by the running step too.
        sequence.unsettled =
                current.kind(line) == ScheduledSequence.Kind.RUNNING ? current.count(line) : sequence.computed;
        batch.addAwaiting(sequence, line);
    }
}
