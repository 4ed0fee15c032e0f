package dev.sluice.api.wire;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The answers of the chat endpoint. */
public final class ChatWire {

    private ChatWire() {}

    /** A whole answer. */
    public record Completion(
            String id,
            String object,
            long created,
            String model,
            List<Choice> choices,
            Usage usage,
            String systemFingerprint) {}

    /** One choice of a whole answer. */
    public record Choice(
            int index,
            Message message,
            @Nullable Logprobs logprobs,
            String finishReason,
            @Nullable Object stopReason) {}

    /** What the assistant said. */
    public record Message(
            String role, String content, @Nullable String refusal) {}

    /** One event of a stream. */
    public record Chunk(
            String id,
            String object,
            long created,
            String model,
            String systemFingerprint,
            List<ChunkChoice> choices,

            @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable
            Usage usage) {}

    /** One choice in an event. */
    public record ChunkChoice(
            int index,
            Delta delta,
            @Nullable Logprobs logprobs,
            @Nullable String finishReason) {}

    /** What is added to a choice. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Delta(@Nullable String role, @Nullable String content) {}

    /** Log-probabilities of the tokens of a choice or an event. */
    public record Logprobs(List<Scored> content, @Nullable Object refusal) {}

    /** One token. */
    public record Scored(String token, double logprob, List<Integer> bytes, List<Alternative> topLogprobs) {}

    /** A token that might have been. */
    public record Alternative(String token, double logprob, List<Integer> bytes) {}
}
