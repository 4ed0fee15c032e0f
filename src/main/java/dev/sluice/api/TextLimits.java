package dev.sluice.api;

import java.time.Duration;

/**
 * What the text of one call may cost, all of its prompts or messages together, and what all calls together may keep waiting.
 *
 * @param bytes most bytes of text; zero: what the context can hold
 * @param tokens most tokens
 * @param time longest time from the end of the body to its tokens, waiting included
 * @param bodyBytes most bytes of bodies that have arrived, or are arriving, and are not read yet
 */
public record TextLimits(long bytes, int tokens, Duration time, long bodyBytes) {

    private static final long BYTES_PER_TOKEN = 8; // ordinary text has half of it
    private static final long BYTES_MIN = 1 << 20;

    /** The same with a number of bytes that fits a model's context, if none was set. */
    TextLimits forContext(int contextLength) {
        return bytes > 0
                ? this
                : new TextLimits(Math.max(BYTES_MIN, BYTES_PER_TOKEN * contextLength), tokens, time, bodyBytes);
    }

    /** Refuses text before any work is done on it. */
    void checkBytes(String param, long count) {
        if (count > bytes) {
            throw tooMuch(param, "bytes of text", bytes, count);
        }
    }

    void checkTokens(String param, long count) {
        if (count > tokens) {
            throw tooMuch(param, "tokens", tokens, count);
        }
    }

    private static ApiException tooMuch(String param, String unit, long limit, long count) {
        return ApiError.invalidValue(param, "may have at most " + limit + " " + unit + " in one call, but has " + count)
                .asException();
    }

    /** Bytes of a text in UTF-8, counted without making them. */
    static long utf8Bytes(String text) {
        long bytes = text.length();
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            // a pair of surrogates is two characters and four bytes
            bytes += c < 0x80 ? 0 : c < 0x800 || Character.isSurrogate(c) ? 1 : 2;
        }
        return bytes;
    }
}
