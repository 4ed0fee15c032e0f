package dev.sluice.api;

import dev.sluice.api.wire.Usage;
import dev.sluice.request.FinishReason;
import dev.sluice.request.PrefillRecord;
import dev.sluice.request.TokenEvent;
import dev.sluice.request.TokensByTier;
import dev.sluice.text.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * The answer to one call while it grows: takes the events of all its sequences, one at a time, and turns them into the
 * parts of a stream or into one whole. Not safe for several threads at once.
 */
final class ResponseAssembler {

    private final GenerationCall call;
    private final ResponseShape format;
    private final IntConsumer onStopString;
    private final LongConsumer onGrown;
    private final Consumer<Usage> onUsage;
    private final Choice[] choices;
    private final List<Object> heldBack = new ArrayList<>();
    private int opened;
    private int finished;
    private TokensByTier found = TokensByTier.NONE;

    private static final class Choice {
        final ChoiceText text;
        final StringBuilder whole = new StringBuilder();
        final List<ChoiceText.Scored> scored = new ArrayList<>();
        boolean opened;
        ResponseShape.@Nullable Finished finished;

        Choice(ChoiceText text) {
            this.text = text;
        }
    }

    /**
     * @param onStopString told the index of a sequence whose text has matched a stop string
     * @param onGrown told by how many bytes an answer that is not streamed has grown; may throw
     * @param onUsage told the counts once all choices are finished
     */
    ResponseAssembler(
            GenerationCall call,
            ResponseShape format,
            Tokenizer tokenizer,
            IntConsumer onStopString,
            LongConsumer onGrown,
            Consumer<Usage> onUsage) {
        this.call = call;
        this.format = format;
        this.onStopString = onStopString;
        this.onGrown = onGrown;
        this.onUsage = onUsage;
        choices = new Choice[call.sequences()];
        for (int i = 0; i < choices.length; i++) {
            choices[i] = new Choice(new ChoiceText(tokenizer, call));
        }
    }

    boolean isComplete() {
        return finished == choices.length;
    }

    /**
     * Takes one event.
     *
     * @return the parts of the stream that it completes
     * @throws ApiException if the sequence failed
     */
    List<Object> accept(int index, TokenEvent event) {
        Choice choice = choices[index];
        List<Object> parts = new ArrayList<>();
        switch (event) {
            case TokenEvent.Prefilled prefilled -> count(index, prefilled.record());
            case TokenEvent.Token token -> {
                open(index, parts);
                add(index, choice.text.accept(token), parts);
                if (choice.text.matched() != null && choice.finished == null) {
                    onStopString.accept(index);
                    finish(index, FinishReason.STOP, choice.text.matched(), parts);
                }
            }
            case TokenEvent.Finished end -> {
                if (choice.finished == null) {
                    open(index, parts);
                    add(index, choice.text.finish(), parts);
                    finish(index, end.reason(), end.stopTokenId() < 0 ? null : end.stopTokenId(), parts);
                }
            }
            case TokenEvent.Failed failed -> {
                if (choice.finished == null) {
                    throw Failures.of(failed, choice.opened).asException();
                }
            }
        }
        return parts;
    }

    /** Several choices share their prompt and count it once: the first one's record is the call's. */
    private void count(int index, PrefillRecord record) {
        if (index % call.choices() == 0) {
            found = found.plus(record.found());
        }
    }

    private void open(int index, List<Object> parts) {
        if (choices[index].opened) {
            return;
        }
        choices[index].opened = true;
        opened++;
        Object opening = format.opening(index, continuousUsage());
        if (opening != null) {
            parts.add(opening);
        }
        if (opened == choices.length) {
            parts.addAll(heldBack);
        }
    }

    private void add(int index, ChoiceText.Piece piece, List<Object> parts) {
        if (piece.isEmpty()) {
            return;
        }
        if (call.stream()) {
            parts.add(format.delta(index, piece, continuousUsage()));
        } else {
            onGrown.accept(AnswerSize.of(piece));
            choices[index].whole.append(piece.text());
            choices[index].scored.addAll(piece.scored());
        }
    }

    /** A choice may not end in the stream before every choice has begun: strict accumulators would refuse it. */
    private void finish(int index, FinishReason reason, @Nullable Object stopReason, List<Object> parts) {
        Choice choice = choices[index];
        String label = reason == FinishReason.LENGTH ? "length" : "stop";
        choice.finished = new ResponseShape.Finished(index, choice.whole.toString(), choice.scored, label, stopReason);
        finished++;
        Object part = format.finish(index, label, stopReason, continuousUsage());
        (opened == choices.length ? parts : heldBack).add(part);
        if (isComplete()) {
            Usage usage = usage();
            onUsage.accept(usage);
            if (call.includeUsage()) {
                parts.add(format.usage(usage));
            }
        }
    }

    private @Nullable Usage continuousUsage() {
        return call.continuousUsage() ? usage() : null;
    }

    private Usage usage() {
        int generated = 0;
        for (Choice choice : choices) {
            generated += choice.text.tokens();
        }
        return Usage.of(Math.toIntExact(call.promptTokens()), generated, found);
    }

    /** The whole answer, once {@link #isComplete}. */
    Object whole() {
        List<ResponseShape.Finished> all = new ArrayList<>();
        for (Choice choice : choices) {
            if (choice.finished == null) {
                throw new IllegalStateException("the answer is not complete");
            }
            all.add(choice.finished);
        }
        return format.whole(all, usage());
    }
}
