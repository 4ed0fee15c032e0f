package dev.sluice.api;

import dev.sluice.api.wire.ChatWire;
import dev.sluice.api.wire.CompletionWire;
import dev.sluice.request.TokenLogprobs;
import dev.sluice.text.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Log-probabilities in the two shapes that the API has for them. */
final class LogprobsFormat {

    private static final double NEVER = -9999; // JSON has no infinity

    private final Tokenizer tokenizer;

    LogprobsFormat(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    ChatWire.Logprobs chat(List<ChoiceText.Scored> scored) {
        List<ChatWire.Scored> entries = new ArrayList<>();
        for (ChoiceText.Scored entry : scored) {
            TokenLogprobs logprobs = entry.logprobs();
            List<ChatWire.Alternative> top = new ArrayList<>();
            for (int i = 0; i < logprobs.topIds().length; i++) {
                int id = logprobs.topIds()[i];
                top.add(new ChatWire.Alternative(text(id), finite(logprobs.topLogprobs()[i]), bytes(id)));
            }
            entries.add(
                    new ChatWire.Scored(text(entry.token()), finite(logprobs.logprob()), bytes(entry.token()), top));
        }
        return new ChatWire.Logprobs(entries, null);
    }

    /** @param offset characters of text before the first of these tokens */
    CompletionWire.Logprobs completion(List<ChoiceText.Scored> scored, int offset) {
        List<String> tokens = new ArrayList<>();
        List<Double> values = new ArrayList<>();
        List<Map<String, Double>> tops = new ArrayList<>();
        List<Integer> offsets = new ArrayList<>();
        int at = offset;
        for (ChoiceText.Scored entry : scored) {
            TokenLogprobs logprobs = entry.logprobs();
            String text = text(entry.token());
            tokens.add(text);
            values.add(finite(logprobs.logprob()));
            Map<String, Double> top = new LinkedHashMap<>();
            for (int i = 0; i < logprobs.topIds().length; i++) {
                top.putIfAbsent(text(logprobs.topIds()[i]), finite(logprobs.topLogprobs()[i]));
            }
            top.putIfAbsent(text, finite(logprobs.logprob()));
            tops.add(top);
            offsets.add(at);
            at += text.length();
        }
        return new CompletionWire.Logprobs(tokens, values, tops, offsets);
    }

    private static double finite(float logprob) {
        return logprob == Float.NEGATIVE_INFINITY ? NEVER : logprob;
    }

    private String text(int id) {
        return new String(tokenizer.bytes(id), StandardCharsets.UTF_8);
    }

    private List<Integer> bytes(int id) {
        List<Integer> unsigned = new ArrayList<>();
        for (byte b : tokenizer.bytes(id)) {
            unsigned.add(Byte.toUnsignedInt(b));
        }
        return unsigned;
    }
}
