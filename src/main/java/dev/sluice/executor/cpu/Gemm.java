package dev.sluice.executor.cpu;

import java.util.Arrays;

/**
 * Multiplies activation rows with a {@link PackedMatrix} on all workers: work is split by groups of weight panels, so
 * each weight is read from memory by one worker only, and each output is computed by one worker only.
 */
final class Gemm {

    private static final int ROWS = 8; // rows of the wide kernels
    private static final int WIDE_FROM = 4; // padding up to 8 rows costs less than so many single ones
    private static final int TILE_FLOATS = 128 * 1024; // 512 KiB of activations: half of a usual L2 cache

    private final WorkerPool workers;
    private float[] scaled = new float[0];
    private float[] starts = new float[0];

    Gemm(WorkerPool workers) {
        this.workers = workers;
    }

    /**
     * {@code y[row][0..outputs) = x[row][0..inputs) * w}. Rows beyond {@code rows}, up to the next multiple of eight, may
     * be overwritten: both arrays must have room for them.
     *
     * @param ldx floats from one row of {@code x} to the next
     * @param ldy the same for {@code y}; at least the padded outputs of {@code w}
     */
    void multiply(PackedMatrix w, float[] x, int ldx, int rows, float[] y, int ldy) {
        if (w.format == PackedMatrix.Format.INT8) {
            prepare(w, x, ldx, rows);
        }
        workers.run((member, members) -> {
            int from = (int) ((long) w.groups * member / members);
            int to = (int) ((long) w.groups * (member + 1) / members);
            int tile = Math.max(ROWS, TILE_FLOATS / w.paddedInputs() / ROWS * ROWS);
            for (int first = 0; first < rows; first += tile) {
                int last = Math.min(rows, first + tile);
                for (int group = from; group < to; group++) {
                    multiplyGroup(w, group, x, ldx, first, last, y, ldy);
                }
            }
        });
    }

    private void prepare(PackedMatrix w, float[] x, int ldx, int rows) {
        int padded = w.paddedInputs();
        int capacity = (rows + ROWS) * padded;
        if (scaled.length < capacity) {
            scaled = new float[capacity];
        }
        if (starts.length < rows + ROWS) {
            starts = Arrays.copyOf(starts, rows + ROWS);
        }
        for (int row = 0; row < rows; row++) {
            starts[row] = Int8Kernels.prepare(x, row * ldx, w.inputs, scaled, row * padded, padded);
        }
    }

    private void multiplyGroup(PackedMatrix w, int group, float[] x, int ldx, int first, int last, float[] y, int ldy) {
        int row = first;
        while (row < last) {
            if (last - row >= WIDE_FROM) {
                for (int panel = 0; panel < Lanes.PANELS_PER_GROUP; panel++) {
                    eightRows(w, group * Lanes.PANELS_PER_GROUP + panel, x, ldx, row, y, ldy);
                }
                row += ROWS;
            } else {
                oneRow(w, group, x, ldx, row, y, ldy);
                row++;
            }
        }
    }

    private void eightRows(PackedMatrix w, int panel, float[] x, int ldx, int row, float[] y, int ldy) {
        long at = panel * w.panelBytes();
        int output = panel * Lanes.PANEL;
        int to = row * ldy + output;
        switch (w.format) {
            case F32 -> GemmKernels.f32x8(w.data, at, w.inputs, x, row * ldx, ldx, y, to, ldy);
            case BF16 -> GemmKernels.bf16x8(w.data, at, w.inputs, x, row * ldx, ldx, y, to, ldy);
            case INT8 -> {
                int padded = w.paddedInputs();
                Int8Kernels.x8(
                        w.data, at, padded, scaled, row * padded, padded, starts, row, w.scales, output, y, to, ldy);
            }
        }
    }

    private void oneRow(PackedMatrix w, int group, float[] x, int ldx, int row, float[] y, int ldy) {
        long at = (long) group * Lanes.PANELS_PER_GROUP * w.panelBytes();
        int output = group * Lanes.GROUP;
        int to = row * ldy + output;
        switch (w.format) {
            case F32 -> GemmKernels.f32x1(w.data, at, w.panelBytes(), w.inputs, x, row * ldx, y, to);
            case BF16 -> GemmKernels.bf16x1(w.data, at, w.panelBytes(), w.inputs, x, row * ldx, y, to);
            case INT8 -> {
                int padded = w.paddedInputs();
                Int8Kernels.x1(
                        w.data, at, w.panelBytes(), padded, scaled, row * padded, starts[row], w.scales, output, y, to);
            }
        }
    }
}
