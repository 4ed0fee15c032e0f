package dev.sluice.request;

/**
 * Log-probabilities at one output position: natural logarithm, of the model's distribution before temperature,
 * penalties and masks.
 *
 * @param logprob of the sampled token
 * @param topIds the most likely ids, best first; length is what the request asked for
 * @param topLogprobs same length and order as {@code topIds}
 */
@SuppressWarnings("ArrayRecordComponent") // written once by the sampler, read once by the API
public record TokenLogprobs(float logprob, int[] topIds, float[] topLogprobs) {}
