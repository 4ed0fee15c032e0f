package dev.sluice.api;

import dev.sluice.request.TokenEvent;
import dev.sluice.request.TokenLogprobs;
import dev.sluice.text.IncrementalDecoder;
import dev.sluice.text.StopMatcher;
import dev.sluice.text.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One choice while it grows: tokens in, text out, stop strings cut, log-probabilities kept beside their text. */
final class ChoiceText {

    /** One token and its log-probabilities. */
    record Scored(int token, TokenLogprobs logprobs) {}

    /** Text that has become certain, with the tokens that came since the last piece. */
    record Piece(String text, List<Scored> scored) {
        boolean isEmpty() {
            return text.isEmpty() && scored.isEmpty();
        }
    }

    private static final int SCORED_MAX = 4; // that wait for their text: a character has at most so many bytes

    private final IncrementalDecoder decoder;
    private final StopMatcher stops;
    private List<Scored> scored = new ArrayList<>();
    private int tokens;

    ChoiceText(Tokenizer tokenizer, GenerationCall call) {
        decoder = new IncrementalDecoder(tokenizer, call.skipSpecialTokens());
        stops = new StopMatcher(call.stop(), call.includeStop());
    }

    /** Tokens generated so far. */
    int tokens() {
        return tokens;
    }

    /** The stop string that was found, or null. */
    @Nullable
    String matched() {
        return stops.matched();
    }

    Piece accept(TokenEvent.Token token) {
        if (matched() != null) {
            return new Piece("", List.of());
        }
        tokens++;
        TokenLogprobs logprobs = token.logprobs();
        if (logprobs != null) {
            scored.add(new Scored(token.id(), logprobs));
        }
        String text = stops.accept(decoder.accept(token.id()));
        boolean nothing = text.isEmpty() && matched() == null && scored.size() < SCORED_MAX;
        return nothing ? new Piece("", List.of()) : take(text);
    }

    /** What was held back, at the end. */
    Piece finish() {
        String rest = decoder.finish();
        String text = stops.accept(rest);
        return take(text + stops.finish());
    }

    private Piece take(String text) {
        List<Scored> taken = scored;
        scored = new ArrayList<>();
        return new Piece(text, taken);
    }
}
