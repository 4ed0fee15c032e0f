package dev.sluice.request;

/**
 * How tokens are chosen from logits, and when the output ends. Immutable; arrays are never written after construction.
 *
 * @param temperature 0 is greedy
 * @param topP (0, 1]; 1 is off
 * @param topK 0 is off
 * @param minP [0, 1]; 0 is off
 * @param repetitionPenalty over prompt and output; 1 is off
 * @param presencePenalty over output; 0 is off
 * @param frequencyPenalty over output; 0 is off
 * @param biasTokenIds ids whose logits are shifted, ascending
 * @param biasValues the shifts, same length as {@code biasTokenIds}
 * @param seed of the request's own random stream: the draw at output position i depends on (seed, i) alone
 * @param minTokens end and stop tokens are masked until so many tokens are out
 * @param maxTokens at least 1; prompt plus this fits the context
 * @param endTokenIds the model's end-of-sequence ids; empty when the request ignores them
 * @param stopTokenIds further ids that end the output, given by the request
 * @param logprobs number of alternatives to report per token; 0 reports only the sampled token; -1 reports nothing
 */
@SuppressWarnings("ArrayRecordComponent") // read per token by the sampler; a copy per read would cost
public record SamplingParams(
        float temperature,
        float topP,
        int topK,
        float minP,
        float repetitionPenalty,
        float presencePenalty,
        float frequencyPenalty,
        int[] biasTokenIds,
        float[] biasValues,
        long seed,
        int minTokens,
        int maxTokens,
        int[] endTokenIds,
        int[] stopTokenIds,
        int logprobs) {

    private static final int[] NO_IDS = {};

    /** Greedy decoding of up to {@code maxTokens} tokens with everything else off: the base that callers vary. */
    public static SamplingParams greedy(int maxTokens) {
        return new Builder().maxTokens(maxTokens).build();
    }

    /** A builder that begins with these values. */
    public Builder toBuilder() {
        return new Builder()
                .temperature(temperature)
                .topP(topP)
                .topK(topK)
                .minP(minP)
                .repetitionPenalty(repetitionPenalty)
                .presencePenalty(presencePenalty)
                .frequencyPenalty(frequencyPenalty)
                .bias(biasTokenIds, biasValues)
                .seed(seed)
                .minTokens(minTokens)
                .maxTokens(maxTokens)
                .endTokenIds(endTokenIds)
                .stopTokenIds(stopTokenIds)
                .logprobs(logprobs);
    }

    /** Every option off, greedy, one token; setters are named as the record's components. */
    public static final class Builder {
        private float temperature;
        private float topP = 1;
        private int topK;
        private float minP;
        private float repetitionPenalty = 1;
        private float presencePenalty;
        private float frequencyPenalty;
        private int[] biasTokenIds = NO_IDS;
        private float[] biasValues = {};
        private long seed;
        private int minTokens;
        private int maxTokens = 1;
        private int[] endTokenIds = NO_IDS;
        private int[] stopTokenIds = NO_IDS;
        private int logprobs = -1;

        public Builder temperature(float value) {
            temperature = value;
            return this;
        }

        public Builder topP(float value) {
            topP = value;
            return this;
        }

        public Builder topK(int value) {
            topK = value;
            return this;
        }

        public Builder minP(float value) {
            minP = value;
            return this;
        }

        public Builder repetitionPenalty(float value) {
            repetitionPenalty = value;
            return this;
        }

        public Builder presencePenalty(float value) {
            presencePenalty = value;
            return this;
        }

        public Builder frequencyPenalty(float value) {
            frequencyPenalty = value;
            return this;
        }

        /** @param ids ascending; {@code values} has the same length */
        public Builder bias(int[] ids, float[] values) {
            biasTokenIds = ids;
            biasValues = values;
            return this;
        }

        public Builder seed(long value) {
            seed = value;
            return this;
        }

        public Builder minTokens(int value) {
            minTokens = value;
            return this;
        }

        public Builder maxTokens(int value) {
            maxTokens = value;
            return this;
        }

        public Builder endTokenIds(int... value) {
            endTokenIds = value;
            return this;
        }

        public Builder stopTokenIds(int... value) {
            stopTokenIds = value;
            return this;
        }

        public Builder logprobs(int value) {
            logprobs = value;
            return this;
        }

        public SamplingParams build() {
            return new SamplingParams(
                    temperature,
                    topP,
                    topK,
                    minP,
                    repetitionPenalty,
                    presencePenalty,
                    frequencyPenalty,
                    biasTokenIds,
                    biasValues,
                    seed,
                    minTokens,
                    maxTokens,
                    endTokenIds,
                    stopTokenIds,
                    logprobs);
        }
    }
}
