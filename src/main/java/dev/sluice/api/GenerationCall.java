package dev.sluice.api;

import dev.sluice.request.SamplingParams;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A validated call to generate text: every prompt tokenized, every field checked.
 *
 * @param chat true for the chat shape of answers, false for that of completions
 * @param model the name the caller used
 * @param sampling of the first choice; choice i draws from seed + i
 * @param choices answers per prompt
 * @param stop strings that end an answer
 * @param echoes texts to put before the answers, one a prompt, or empty
 * @param size of the answer
 * @param answerBytes to take for it at admission
 * @param logprobs true if the answer carries log-probabilities
 */
record GenerationCall(
        boolean chat,
        String model,
        List<int[]> prompts,
        SamplingParams sampling,
        int choices,
        List<String> stop,
        boolean includeStop,
        boolean skipSpecialTokens,
        List<String> echoes,
        boolean logprobs,
        boolean stream,
        boolean includeUsage,
        boolean continuousUsage,
        int priority,
        @Nullable String cacheSalt,
        int maxOffloadTokens,
        AnswerSize size,
        long answerBytes) {

    int sequences() {
        return prompts.size() * choices;
    }

    /** Tokens of all prompts; several choices share one prompt and count it once. */
    long promptTokens() {
        long sum = 0;
        for (int[] prompt : prompts) {
            sum += prompt.length;
        }
        return sum;
    }
}
