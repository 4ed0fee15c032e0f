package dev.sluice.api;

import dev.sluice.request.TokenLogprobs;
import org.jspecify.annotations.Nullable;

/**
 * What the answer to one call takes of the heap, at most and as it grows. Estimates, on the high side: a whole answer is there
 * as events, as an object and as bytes when it is written; of a stream there are only the events that wait for its reader.
 *
 * @param sequences prompts times choices
 * @param logprobs alternatives to each token, or -1 for no log-probabilities at all
 * @param echoBytes length of the prompts that are repeated in the answer, each once for every choice
 * @param max bytes that one call may take
 */
record AnswerSize(int sequences, int logprobs, boolean stream, long echoBytes, long max) {

    /** Events that a stream may leave unread, however little memory there is. */
    static final int UNREAD = 256;

    private static final long TOKEN = 64;
    private static final long SCORE = 512; // one log-probability of a whole answer
    private static final long CHAR = TOKEN / 8;
    private static final long EVENT = 96;
    private static final long EVENT_SCORE = 32;
    private static final long UNLIMITED_SEQUENCE = 256 << 10; // taken at first for one that may use all of the context

    private int scores() {
        return logprobs + 1;
    }

    private long token() {
        return logprobs < 0 ? TOKEN : scores() * SCORE;
    }

    /** Bytes of one event that waits for its reader. */
    long event() {
        return EVENT + scores() * EVENT_SCORE;
    }

    private long echo() {
        return echoBytes * CHAR;
    }

    /** What a piece of a whole answer takes. */
    static long of(ChoiceText.Piece piece) {
        long bytes = piece.text().length() * CHAR;
        for (ChoiceText.Scored scored : piece.scored()) {
            TokenLogprobs logprobs = scored.logprobs();
            bytes += (logprobs.topIds().length + 1) * (SCORE - TOKEN);
        }
        return bytes;
    }

    /** How many tokens each sequence may have if the call does not say it; 0 if not even one. */
    int tokensMax() {
        return stream ? Integer.MAX_VALUE : Math.clamp((max - echo()) / (sequences * token()), 0, Integer.MAX_VALUE);
    }

    /**
     * Refuses a call whose answer could be too large.
     *
     * @param limitField where the call gives {@code maxTokens}
     * @param scoresField where it asks for alternatives
     */
    void check(int maxTokens, String limitField, String scoresField) {
        if (echo() > max) {
            throw ApiError.invalidValue(
                            "echo", "would repeat " + echoBytes + " bytes, and may repeat at most " + max / CHAR)
                    .asException();
        }
        if (maxTokens > tokensMax()) {
            long entries = (long) sequences * maxTokens * Math.max(1, scores());
            String times = " times " + sequences + " choices"
                    + (logprobs < 0 ? "" : " times " + scores() + " (" + scoresField + " + 1)");
            long most = (max - echo()) / (logprobs < 0 ? TOKEN : SCORE);
            throw ApiError.invalidValue(
                            limitField,
                            "(" + maxTokens + ")" + times + " may be at most " + most
                                    + " in an answer that is not streamed, but is " + entries)
                    .asException();
        }
    }

    /**
     * Bytes to take at admission.
     *
     * @param limit of tokens that the call gives, or null: most of those end long before they reach theirs
     */
    long atAdmission(int maxTokens, @Nullable Integer limit) {
        if (stream) {
            return echo() + (long) sequences * Math.min(UNREAD, maxTokens) * event();
        }
        long all = (long) sequences * maxTokens * token();
        return echo() + (limit != null ? all : Math.min(all, sequences * UNLIMITED_SEQUENCE));
    }
}
