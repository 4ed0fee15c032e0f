package dev.sluice.api;

import dev.sluice.request.SamplingParams;
import dev.sluice.text.RenderedPrompt;
import dev.sluice.text.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Calls for tests of answers, with a tokenizer whose ids are bytes. */
final class Calls {

    /** The only control token; it stands for {@code <end>}. */
    static final int END = 256;

    static final Tokenizer BYTES = new Bytes();

    boolean chat = true;
    int prompts = 1;
    int choices = 1;
    List<String> stop = List.of();
    boolean includeStop;
    boolean skipSpecialTokens = true;
    List<String> echoes = List.of();
    boolean logprobs;
    boolean stream = true;
    boolean includeUsage;
    boolean continuousUsage;

    /** Each prompt has five tokens. */
    GenerationCall call() {
        return new GenerationCall(
                chat,
                "m",
                java.util.Collections.nCopies(prompts, new int[5]),
                SamplingParams.greedy(8),
                choices,
                stop,
                includeStop,
                skipSpecialTokens,
                echoes,
                logprobs,
                stream,
                includeUsage,
                continuousUsage,
                0,
                null,
                Integer.MAX_VALUE);
    }

    private static final class Bytes implements Tokenizer {
        @Override
        public int vocabularySize() {
            return END + 1;
        }

        @Override
        public int[] encode(String text, boolean addSpecialTokens) {
            throw new UnsupportedOperationException();
        }

        @Override
        public int[] encode(RenderedPrompt prompt) {
            throw new UnsupportedOperationException();
        }

        @Override
        public String decode(int[] ids, boolean skipSpecialTokens) {
            throw new UnsupportedOperationException();
        }

        @Override
        public byte[] bytes(int id) {
            return id == END ? "<end>".getBytes(StandardCharsets.US_ASCII) : new byte[] {(byte) id};
        }

        @Override
        public boolean isSpecial(int id) {
            return id == END;
        }

        @Override
        public boolean stripsLeadingSpace() {
            return false;
        }

        @Override
        public int longestTokenBytes() {
            return 5;
        }
    }
}
