package dev.sluice.scheduler;

import dev.sluice.kv.BlockTable;
import dev.sluice.request.FailureKind;

/**
 * Takes back lines of a step that were not computed: their contents are registered since the step was planned, and others
 * may have been planned to share them. A shared block has the same index in all tables.
 */
final class StepRollback {

    private final LiveSequences sequences;

    StepRollback(LiveSequences sequences) {
        this.sequences = sequences;
    }

    /** The step's work is lost, and nothing tells whose fault it was: those in it end, those outside notice nothing. */
    void failStep(Step step) {
        for (int i = 0; i < step.size(); i++) {
            if (!step.isWasted(i)) {
                failLine(step, i, "the step that computed this request failed");
            }
        }
    }

    /**
     * Fails one sequence of a step. Those that were planned to share the blocks it was to compute in this very step go back
     * to the queue and are computed anew.
     */
    void failAlone(Step step, int index, String message) {
        for (int i = step.size() - 1; i > index; i--) { // backwards, since each goes to the front of the queue
            Sequence other = step.get(i);
            if (!other.isFinished() && !step.isInVain(i) && sharesUncomputed(step, index, other.table())) {
                rollBack(step, i);
                step.setInVain(i);
                other.admittedInVain();
                sequences.preempt(other);
            }
        }
        failLine(step, index, message);
    }

    private void failLine(Step step, int index, String message) {
        rollBack(step, index);
        sequences.fail(step.get(index), FailureKind.INTERNAL, message);
    }

    /** Takes back what the line has added; one of a step begun after it, which is void now, has registered nothing. */
    private void rollBack(Step step, int index) {
        Sequence sequence = step.get(index);
        rollBackLoading(sequence.table(), step.registeredBefore(index));
        sequences.rollBack(sequence, step.registeredBefore(index));
    }

    /** Whoever began a load in that very step may have found the blocks as its prefix; it loses them and what comes after. */
    private void rollBackLoading(BlockTable bad, int from) {
        for (int i = 0; i < sequences.loading().size(); i++) {
            Sequence sequence = sequences.loading().get(i);
            int shared = firstShared(bad, from, sequence.table());
            if (shared >= 0) {
                sequences.keepFound(sequence, shared);
            }
        }
    }

    private static boolean sharesUncomputed(Step step, int culprit, BlockTable other) {
        return firstShared(step.get(culprit).table(), step.registeredBefore(culprit), other) >= 0;
    }

    /** The first block, of those that a table has registered from the given one on, that another one holds too; or -1. */
    private static int firstShared(BlockTable bad, int from, BlockTable other) {
        for (int block = from; block < Math.min(bad.registered(), other.size()); block++) {
            if (other.block(block) == bad.block(block)) {
                return block;
            }
        }
        return -1;
    }
}
