package dev.sluice.executor.cpu;

/** What happens to single rows between the matrix products. Plain loops: together they are a few percent of a step. */
final class RowOps {

    private RowOps() {}

    /** Root-mean-square normalisation; the sum of squares is kept in double precision, in a fixed order. */
    static void normalize(
            float[] source, int at, int count, float[] weight, float eps, float[] target, int to, int stride) {
        double s0 = 0;
        double s1 = 0;
        double s2 = 0;
        double s3 = 0;
        int i = 0;
        for (; i + 3 < count; i += 4) {
            s0 += (double) source[at + i] * source[at + i];
            s1 += (double) source[at + i + 1] * source[at + i + 1];
            s2 += (double) source[at + i + 2] * source[at + i + 2];
            s3 += (double) source[at + i + 3] * source[at + i + 3];
        }
        for (; i < count; i++) {
            s0 += (double) source[at + i] * source[at + i];
        }
        float scale = (float) (1 / Math.sqrt((s0 + s1 + (s2 + s3)) / count + eps));
        for (int j = 0; j < count; j++) {
            target[to + j * stride] = source[at + j] * scale * weight[j];
        }
    }

    /**
     * Rotates the pairs (i, i + half) of one head, in place, and multiplies by a factor.
     *
     * @param angles {@code half} cosines, then as many sines, from {@code angleAt} on
     */
    static void rotate(float[] values, int at, int half, float[] angles, int angleAt, float factor) {
        for (int i = 0; i < half; i++) {
            float cosine = angles[angleAt + i];
            float sine = angles[angleAt + half + i];
            float a = values[at + i];
            float b = values[at + half + i];
            values[at + i] = (a * cosine - b * sine) * factor;
            values[at + half + i] = (b * cosine + a * sine) * factor;
        }
    }
}
