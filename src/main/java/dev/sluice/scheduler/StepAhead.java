package dev.sluice.scheduler;

import dev.sluice.executor.ScheduledSequence;
import dev.sluice.kv.Headroom;
import dev.sluice.kv.KvCache;
import dev.sluice.kv.PrefixHit;

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
    private final LiveSequences sequences;

    /** @param executorCan whether the executor takes a step while the one before runs */
    StepAhead(
            SchedulerSettings settings,
            boolean executorCan,
            KvCache cache,
            RemoteLoads loads,
            LiveSequences sequences) {
        enabled = settings.overlap() && executorCan;
        maxSequences = settings.maxSequences();
        contextLength = settings.contextLength();
        this.cache = cache;
        this.loads = loads;
        this.sequences = sequences;
    }

    /**
     * Fills the step after {@code current}, whose result is not known, and gives its sequences their blocks.
     *
     * @return false, with nothing changed, if that step cannot be planned yet, or would be empty
     */
    boolean plan(Step current, Step next) {
        if (!enabled || !current.runs() || current.loads() || loads.isLoading()) {
            return false;
        }
        int lines = countLines(current);
        if (lines == 0 || (!sequences.waiting().isEmpty() && lines < maxSequences)) {
            return false;
        }
        next.clear();
        for (int i = 0; i < current.size(); i++) {
            if (goesOn(current.get(i))) {
                add(current, i, next);
            }
        }
        return true;
    }

    /** Sequences that the step would have; 0 if it cannot be planned yet. */
    private int countLines(Step current) {
        int alive = 0;
        int lines = 0;
        int blocks = 0;
        for (int i = 0; i < current.size(); i++) {
            Sequence sequence = current.get(i);
            if (!sequence.isRunning()) {
                continue;
            }
            if (needsHostToken(current.plan.get(i))) {
                return 0;
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
        boolean everybody = alive == sequences.running().size(); // or who is left out now would be left out for ever
        return everybody && blocks <= cache.pool().free() ? lines : 0;
    }

    /**
     * True if the sequence's next line can only be written when the host knows what this one has yielded. A line that yields
     * one token leaves nothing open but its id; a part of a prefill yields none, and the planner decides how it goes on.
     */
    private static boolean needsHostToken(ScheduledSequence line) {
        return line.outputs() != 1;
    }

    private boolean goesOn(Sequence sequence) {
        return sequence.isRunning() && !sequence.endsWithNextToken(contextLength);
    }

    private void add(Step current, int line, Step next) {
        Sequence sequence = current.get(line);
        if (!cache.allocate(sequence.table(), PrefixHit.NONE, sequence.computed + 1, 0, Headroom.NONE)) {
            throw new IllegalStateException("a block that was counted as free is not");
        }
        // Of one that was just admitted, what it found may be computed by the running step too.
        sequences.unsettle(sequence, current.isAdmitted(line) ? sequence.computed : current.count(line));
        next.addAwaiting(sequence, line);
    }
}
