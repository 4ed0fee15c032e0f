package dev.sluice.api;

import java.time.Duration;

/**
 * What a request may ask for at most.
 *
 * @param bodyBytes largest body
 * @param readTimeout longest time from a request's head to the end of its body
 * @param writeTimeout longest time in which a client takes nothing of what it is sent
 * @param choices largest {@code n}
 * @param prompts most prompts in one completions call
 * @param sequences most sequences (prompts times {@code n}) in one call
 * @param answerBytes memory that one answer may take
 * @param queueTimeout longest wait for the first step
 * @param requestTimeout longest life of a request
 * @param heartbeatAfter silence after which a stream gets a comment; zero is never
 */
public record RequestLimits(
        int bodyBytes,
        Duration readTimeout,
        Duration writeTimeout,
        int choices,
        int prompts,
        int sequences,
        long answerBytes,
        Duration queueTimeout,
        Duration requestTimeout,
        Duration heartbeatAfter) {

    static final int MESSAGES = 2048;
    static final int PARTS = 256;
    static final int STOPS = 16;
    static final int STOP_BYTES = 256;
    static final int NAME_BYTES = 256;
    static final int BIASES = 1024;
    static final int STOP_TOKENS = 256;
}
