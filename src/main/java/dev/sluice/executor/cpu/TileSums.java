package dev.sluice.executor.cpu;

import java.util.Arrays;

/** A softmax in progress, per query row: the largest score, the sum of weights relative to it, the weighted values. */
final class TileSums {

    final float[] max;
    final float[] sum;
    final float[] values;
    private final int width;

    /** @param width floats per row of values, a multiple of 32 */
    TileSums(int rowsMax, int width) {
        this.width = width;
        max = new float[rowsMax];
        sum = new float[rowsMax];
        values = new float[rowsMax * width];
    }

    void reset(int rows) {
        Arrays.fill(max, 0, rows, Float.NEGATIVE_INFINITY);
        Arrays.fill(sum, 0, rows, 0);
        Arrays.fill(values, 0, rows * width, 0);
    }

    /** Takes the sums of further keys in: both sides are scaled to the common maximum. */
    void blend(TensorOps ops, TileSums tile, int rows) {
        for (int row = 0; row < rows; row++) {
            if (tile.sum[row] == 0) {
                continue; // nothing visible: a visible maximum has weight one
            }
            float common = Math.max(max[row], tile.max[row]);
            float factor = FastExp.weight(max[row] - common);
            float tileFactor = FastExp.weight(tile.max[row] - common);
            max[row] = common;
            sum[row] = Math.fma(sum[row], factor, tile.sum[row] * tileFactor);
            ops.blend(values, row * width, factor, tile.values, row * width, tileFactor, width);
        }
    }
}
