package dev.sluice.api.wire;

/** Token counts of an answer. */
public record Usage(
        int promptTokens,
        int completionTokens,
        int totalTokens,
        PromptTokensDetails promptTokensDetails,
        CompletionTokensDetails completionTokensDetails) {

    /** Where prompt tokens came from that were not computed. */
    public record PromptTokensDetails(int cachedTokens, CachedTokensDetails cachedTokensDetails) {}

    /** The tiers; their sum is {@code cached_tokens}. */
    public record CachedTokensDetails(int device, int host, int storage) {}

    /** What the output consists of. */
    public record CompletionTokensDetails(int reasoningTokens) {}

    /** Counts of one call; {@code device}, {@code host} and {@code storage} are prompt tokens found there. */
    public static Usage of(int prompt, int completion, int device, int host, int storage) {
        return new Usage(
                prompt,
                completion,
                prompt + completion,
                new PromptTokensDetails(device + host + storage, new CachedTokensDetails(device, host, storage)),
                new CompletionTokensDetails(0));
    }
}
