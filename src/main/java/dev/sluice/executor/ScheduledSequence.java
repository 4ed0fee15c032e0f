package dev.sluice.executor;

import dev.sluice.request.SamplingParams;

/**
 * One line of a step plan: compute positions {@code [start, start + count)} of one sequence.
 *
 * <p>A plain carrier whose objects are reused from step to step; the arrays are the scheduler's own and may be longer
 * than their stated counts.
 */
public final class ScheduledSequence {

    /** Value of {@link #awaited} if all ids are known. */
    public static final int NOTHING = -1;

    private static final int[] NONE = {};
    private static final SamplingParams UNSET = SamplingParams.greedy(1);

    /** Number of the sequence, unique for the life of the engine. */
    public long sequence;

    public SamplingParams sampling = UNSET;

    /** Length of the prompt: positions from here on are output. */
    public int promptLength;

    /** All ids, prompt then output; {@code tokens[0..knownCount())}. */
    public int[] tokens = NONE;

    public int tokenCount;

    /**
     * The line of the plan submitted before this one whose sampled token is this line's last one, or {@link #NOTHING}. The
     * host does not know that id yet, and may write it into {@link #tokens} at any time: it has to be taken from the answer
     * to the other line.
     */
    public int awaited = NOTHING;

    /** First position to compute; everything before it is already in the blocks. */
    public int start;

    /** Positions to compute, at least 1; {@code start + count <= tokenCount}. */
    public int count;

    /** Block table: position p lives in {@code blocks[p / blockSize]} at offset {@code p % blockSize}. */
    public int[] blocks = NONE;

    /** Valid entries of {@code blocks}; covers {@code start + count} positions. */
    public int blockCount;

    /** Ids that can be read from {@link #tokens}. */
    public int knownCount() {
        return awaited == NOTHING ? tokenCount : tokenCount - 1;
    }

    /** True if the last position computed is the last known token, so that what follows it is to be sampled. */
    public boolean samples() {
        return start + count == tokenCount;
    }

    /** Tokens that the line may yield. */
    public int outputs() {
        return samples() ? 1 : 0;
    }

    /** Output tokens known before this step: the position of the random stream to draw from. */
    public int outputCount() {
        return tokenCount - promptLength;
    }
}
