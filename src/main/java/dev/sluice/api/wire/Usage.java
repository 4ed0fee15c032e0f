package dev.sluice.api.wire;

import dev.sluice.request.TokensByTier;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Token counts of an answer. */
public record Usage(
        int promptTokens,
        int completionTokens,
        int totalTokens,
        PromptTokensDetails promptTokensDetails,
        CompletionTokensDetails completionTokensDetails) {

    /** Clients read these without asking whether they are there; another tier is named if it held something. */
    private static final List<String> ALWAYS_NAMED = List.of("device", "host", "storage");

    /** Where prompt tokens came from that were not computed. */
    public record PromptTokensDetails(int cachedTokens, Map<String, Integer> cachedTokensDetails) {

        /** By the name of the tier that held them. */
        static PromptTokensDetails of(TokensByTier found) {
            Map<String, Integer> details = new LinkedHashMap<>();
            ALWAYS_NAMED.forEach(tier -> details.put(tier, 0));
            details.putAll(found.tokens());
            return new PromptTokensDetails(found.total(), details);
        }
    }

    /** What the output consists of. */
    public record CompletionTokensDetails(int reasoningTokens) {}

    /** Counts of one call, with those of its prompt tokens that were found in a cache. */
    public static Usage of(int prompt, int completion, TokensByTier found) {
        return new Usage(
                prompt, completion, prompt + completion, PromptTokensDetails.of(found), new CompletionTokensDetails(0));
    }
}
