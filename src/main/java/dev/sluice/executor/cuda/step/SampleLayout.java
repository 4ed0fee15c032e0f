package dev.sluice.executor.cuda.step;

/**
 * Where the parameters of a pass's samples lie, in ints behind the numbers of the pass; the lists at the end only if some
 * sample shifts its logits.
 *
 * <pre>
 *   seeds                                       [samples] long
 *   temperature, topP, minP                     [samples] float
 *   repetition, frequency, presence             [samples] float
 *   topK, positions, logprobs, slots            [samples] int, as sample.cu, logprobs.cu and penalties.cu take them
 *   biasStarts, maskStarts                      [samples + 1] int
 *   biasIds [biases] int, biasValues [biases] float, maskIds [masks] int
 * </pre>
 */
public record SampleLayout(int samples, int biases, int masks) {

    /** Most entries that one sample may bring; what the API accepts is less. */
    static final int BIASES_MAX = 2048;

    static final int MASKS_MAX = 1024;

    static SampleLayout largest(PassLimits limits) {
        int lines = limits.lines();
        return new SampleLayout(lines, Math.multiplyExact(lines, BIASES_MAX), Math.multiplyExact(lines, MASKS_MAX));
    }

    int seeds() {
        return 0;
    }

    int temperature() {
        return 2 * samples;
    }

    int topP() {
        return 3 * samples;
    }

    int minP() {
        return 4 * samples;
    }

    int repetition() {
        return 5 * samples;
    }

    int frequency() {
        return 6 * samples;
    }

    int presence() {
        return 7 * samples;
    }

    int topK() {
        return 8 * samples;
    }

    int positions() {
        return 9 * samples;
    }

    int logprobs() {
        return 10 * samples;
    }

    int slots() {
        return 11 * samples;
    }

    int biasStarts() {
        return 12 * samples;
    }

    int maskStarts() {
        return biasStarts() + samples + 1;
    }

    int biasIds() {
        return maskStarts() + samples + 1;
    }

    int biasValues() {
        return biasIds() + biases;
    }

    int maskIds() {
        return biasValues() + biases;
    }

    public long bytes() {
        return (long) Integer.BYTES * (maskIds() + masks);
    }
}
