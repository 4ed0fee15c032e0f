package dev.sluice.scheduler;

import dev.sluice.kv.KvLayout;
import dev.sluice.request.GenerationRequest;
import org.jspecify.annotations.Nullable;

/** What the scheduler demands of a request. The API has checked all of it; whoever else calls is not trusted to. */
final class RequestCheck {

    private final int contextLength;
    private final int vocabularySize;
    private final KvLayout layout;

    RequestCheck(int contextLength, int vocabularySize, KvLayout layout) {
        this.contextLength = contextLength;
        this.vocabularySize = vocabularySize;
        this.layout = layout;
    }

    /** Says what is wrong with a request, or null. */
    @Nullable
    String problemWith(GenerationRequest request) {
        int[] prompt = request.promptTokenIds();
        if (prompt.length == 0) {
            return "the prompt is empty";
        }
        if (prompt.length >= contextLength) {
            return "the prompt has " + prompt.length + " tokens; with one token of output that exceeds the context of "
                    + contextLength;
        }
        for (int id : prompt) {
            if (id < 0 || id >= vocabularySize) {
                return "prompt token " + id + " is outside the vocabulary of " + vocabularySize;
            }
        }
        int longest = (int) Math.min(
                contextLength,
                (long) prompt.length + Math.max(1, request.sampling().maxTokens()));
        int needed = layout.blocksFor(longest - 1); // the last token is never computed
        if (needed > layout.usableBlocks()) {
            return "prompt and output need " + needed + " KV blocks of " + layout.usableBlocks();
        }
        return null;
    }
}
