package dev.sluice.api;

import dev.sluice.api.wire.CompletionWire;
import dev.sluice.api.wire.Usage;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Answers of the completions endpoint. */
final class CompletionFormat implements ResponseShape {

    private final String id;
    private final long created;
    private final GenerationCall call;
    private final String fingerprint;
    private final LogprobsFormat scores;
    private final int[] offsets;

    CompletionFormat(String id, long created, GenerationCall call, String fingerprint, LogprobsFormat scores) {
        this.id = id;
        this.created = created;
        this.call = call;
        this.fingerprint = fingerprint;
        this.scores = scores;
        offsets = new int[call.sequences()];
    }

    private CompletionWire.Completion answer(@Nullable Usage usage, List<CompletionWire.Choice> choices) {
        return new CompletionWire.Completion(id, "text_completion", created, call.model(), fingerprint, choices, usage);
    }

    private String echo(int index) {
        return call.echoes().isEmpty() ? "" : call.echoes().get(index / call.choices());
    }

    @Override
    public @Nullable Object opening(int index, @Nullable Usage usage) {
        String echo = echo(index);
        return echo.isEmpty() ? null : answer(usage, List.of(new CompletionWire.Choice(index, echo, null, null, null)));
    }

    @Override
    public Object delta(int index, ChoiceText.Piece piece, @Nullable Usage usage) {
        CompletionWire.Logprobs logprobs = call.logprobs() ? scores.completion(piece.scored(), offsets[index]) : null;
        offsets[index] += piece.text().length();
        return answer(usage, List.of(new CompletionWire.Choice(index, piece.text(), logprobs, null, null)));
    }

    @Override
    public Object finish(int index, String reason, @Nullable Object stopReason, @Nullable Usage usage) {
        return answer(usage, List.of(new CompletionWire.Choice(index, "", null, reason, stopReason)));
    }

    @Override
    public Object usage(Usage usage) {
        return answer(usage, List.of());
    }

    @Override
    public Object whole(List<Finished> choices, Usage usage) {
        List<CompletionWire.Choice> wire = new ArrayList<>();
        for (Finished choice : choices) {
            CompletionWire.Logprobs logprobs = call.logprobs() ? scores.completion(choice.scored(), 0) : null;
            wire.add(new CompletionWire.Choice(
                    choice.index(),
                    echo(choice.index()) + choice.text(),
                    logprobs,
                    choice.reason(),
                    choice.stopReason()));
        }
        return answer(usage, wire);
    }
}
