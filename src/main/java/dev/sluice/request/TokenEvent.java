package dev.sluice.request;

import org.jspecify.annotations.Nullable;

/**
 * What comes back through a {@link TokenSink}: {@code Prefilled}, then {@code Token}s, then exactly one terminal event
 * ({@code Finished} or {@code Failed}). A request that ends before its first token has only the terminal event.
 */
public sealed interface TokenEvent {

    /** The prompt is in the cache; comes directly before the first token, once. */
    record Prefilled(PrefillRecord record) implements TokenEvent {}

    /** One sampled token. */
    record Token(int id, @Nullable TokenLogprobs logprobs) implements TokenEvent {}

    /**
     * The regular end.
     *
     * @param stopTokenId the stop token id given by the request that matched, or -1
     */
    record Finished(FinishReason reason, int stopTokenId) implements TokenEvent {}

    /** The irregular end; {@code message} is fit for the client's eyes. */
    record Failed(FailureKind kind, String message) implements TokenEvent {}
}
