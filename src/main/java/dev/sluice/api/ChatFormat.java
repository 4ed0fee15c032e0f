package dev.sluice.api;

import dev.sluice.api.wire.ChatWire;
import dev.sluice.api.wire.Usage;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Answers of the chat endpoint. */
final class ChatFormat implements ResponseShape {

    private static final ChatWire.Delta NOTHING = new ChatWire.Delta(null, null);

    private final String id;
    private final long created;
    private final GenerationCall call;
    private final String fingerprint;
    private final LogprobsFormat scores;

    ChatFormat(String id, long created, GenerationCall call, String fingerprint, LogprobsFormat scores) {
        this.id = id;
        this.created = created;
        this.call = call;
        this.fingerprint = fingerprint;
        this.scores = scores;
    }

    private ChatWire.Chunk chunk(@Nullable Usage usage, ChatWire.ChunkChoice... choices) {
        return new ChatWire.Chunk(
                id, "chat.completion.chunk", created, call.model(), fingerprint, List.of(choices), usage);
    }

    @Override
    public Object opening(int index, @Nullable Usage usage) {
        ChatWire.Delta role = new ChatWire.Delta("assistant", "");
        return chunk(usage, new ChatWire.ChunkChoice(index, role, null, null));
    }

    @Override
    public Object delta(int index, ChoiceText.Piece piece, @Nullable Usage usage) {
        ChatWire.Delta delta = new ChatWire.Delta(null, piece.text());
        return chunk(usage, new ChatWire.ChunkChoice(index, delta, logprobs(piece.scored()), null));
    }

    @Override
    public Object finish(int index, String reason, @Nullable Object stopReason, @Nullable Usage usage) {
        return chunk(usage, new ChatWire.ChunkChoice(index, NOTHING, null, reason));
    }

    @Override
    public Object usage(Usage usage) {
        return chunk(usage);
    }

    @Override
    public Object whole(List<Finished> choices, Usage usage) {
        List<ChatWire.Choice> wire = new ArrayList<>();
        for (Finished choice : choices) {
            wire.add(new ChatWire.Choice(
                    choice.index(),
                    new ChatWire.Message("assistant", choice.text(), null),
                    logprobs(choice.scored()),
                    choice.reason(),
                    choice.stopReason()));
        }
        return new ChatWire.Completion(id, "chat.completion", created, call.model(), wire, usage, fingerprint);
    }

    private ChatWire.@Nullable Logprobs logprobs(List<ChoiceText.Scored> scored) {
        return call.logprobs() ? scores.chat(scored) : null;
    }
}
