package dev.sluice.executor.cuda.step;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.sluice.request.TokenLogprobs;
import java.lang.foreign.MemorySegment;

/**
 * What comes back from the device for the samples of a pass: ids, and log-probabilities if somebody asked.
 *
 * <pre>
 *   ids     [lines] int           chosen    [lines] float
 *   best    [lines, PLACES] float bestIds   [lines, PLACES] int
 * </pre>
 */
public record SampleResults(int lines) {

    /** Most alternatives that can be asked for. */
    static final int PLACES = 32;

    public static long bytes(int lines) {
        return (long) Integer.BYTES * lines * (2 + 2 * PLACES);
    }

    long ids() {
        return 0;
    }

    long chosen() {
        return (long) Integer.BYTES * lines;
    }

    long best() {
        return 2 * chosen();
    }

    long bestIds() {
        return (2 + PLACES) * chosen();
    }

    int id(MemorySegment results, int sample) {
        return results.getAtIndex(JAVA_INT, sample);
    }

    TokenLogprobs logprobs(MemorySegment results, int sample, int count) {
        int[] ids = new int[count];
        float[] values = new float[count];
        long at = (long) Integer.BYTES * PLACES * sample;
        MemorySegment.copy(results, JAVA_INT, bestIds() + at, ids, 0, count);
        MemorySegment.copy(results, JAVA_FLOAT, best() + at, values, 0, count);
        return new TokenLogprobs(results.get(JAVA_FLOAT, chosen() + (long) Integer.BYTES * sample), ids, values);
    }
}
