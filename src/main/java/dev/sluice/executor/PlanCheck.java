package dev.sluice.executor;

import dev.sluice.kv.KvLayout;
import org.jspecify.annotations.Nullable;

/** Looks at every line of a plan again before it becomes memory addresses: a wrong line costs its own sequence only. */
public final class PlanCheck {

    private final ExecutorSpec spec;
    private final KvLayout layout;
    private final int slidingWindow;

    /** @param slidingWindow positions a token attends to, itself included; 0 is all */
    public PlanCheck(ExecutorSpec spec, int slidingWindow) {
        this.spec = spec;
        this.slidingWindow = slidingWindow;
        layout = spec.kv();
    }

    /**
     * What is wrong with a line, fit for the client's eyes; null if nothing is.
     *
     * @param linesBefore lines of the step before that an id may be awaited from
     */
    public @Nullable String problem(ScheduledSequence line, int linesBefore) {
        int end = line.start + line.count;
        if (line.start < 0 || line.count < 1 || end < 0 || end > line.tokenCount) {
            return "positions " + line.start + " to " + end + " of " + line.tokenCount + " cannot be computed";
        }
        if (line.knownCount() > line.tokens.length) {
            return line.tokenCount + " tokens were announced, " + line.tokens.length + " came";
        }
        if (line.awaited < ScheduledSequence.NOTHING || line.awaited >= linesBefore) {
            return "the answer to line " + line.awaited + " is awaited, of " + linesBefore;
        }
        if (end > spec.contextLength()) {
            return end + " tokens exceed the context length of " + spec.contextLength();
        }
        for (int position = line.start; position < Math.min(end, line.knownCount()); position++) {
            int token = line.tokens[position];
            if (token < 0 || token >= spec.vocabularySize()) {
                return "token " + token + " is not in the vocabulary of " + spec.vocabularySize();
            }
        }
        return blockProblem(line, end);
    }

    private @Nullable String blockProblem(ScheduledSequence line, int end) {
        int blocks = layout.blocksFor(end);
        if (blocks > line.blockCount || line.blockCount > line.blocks.length) {
            return line.blockCount + " blocks do not cover " + end + " positions";
        }
        // Blocks that lie wholly before the sliding window are not touched, and may be gone.
        int firstVisible = slidingWindow > 0 ? Math.max(0, line.start - slidingWindow + 1) : 0;
        for (int i = firstVisible / layout.blockSize(); i < blocks; i++) {
            if (line.blocks[i] <= KvLayout.NULL_BLOCK || line.blocks[i] >= layout.blockCount()) {
                return "block " + line.blocks[i] + " is not one of 1 to " + layout.usableBlocks();
            }
        }
        return null;
    }
}
