package dev.sluice.executor.cpu;

import dev.sluice.executor.cpu.PackedMatrix.Format;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** Matrix products, split among the workers by pairs of output panels. */
final class Gemm implements Workers.Job {

    /** Inputs decoded at a time: 256 rows of 128 bytes stay in the first-level cache beside a tile of activations. */
    private static final int CHUNK = 256;

    private final TensorOps ops;
    private final Workers workers;
    private final float[][] sums;
    private final MemorySegment[] unpacked;
    private PackedRows input;
    private PackedMatrix weights;
    private Epilogue output;

    /** @param rowsMax rows that a product may have */
    Gemm(TensorOps ops, Workers workers, Arena memory, int rowsMax) {
        this.ops = ops;
        this.workers = workers;
        input = new PackedRows(1, rowsMax, ops.tileRows());
        sums = new float[workers.threads()][input.paddedRows(rowsMax) * PackedMatrix.PAIR];
        unpacked = new MemorySegment[workers.threads()];
        for (int i = 0; i < unpacked.length; i++) {
            unpacked[i] = memory.allocate((long) CHUNK * PackedMatrix.ROW_BYTES, 64);
        }
        weights = new PackedMatrix(Format.F32, 1, 0, MemorySegment.NULL, null, null);
        output = new Epilogue.Store(new float[0], 0);
    }

    /** Multiplies all rows of the input and hands the sums over. */
    void run(PackedRows rows, PackedMatrix matrix, Epilogue epilogue) {
        input = rows;
        weights = matrix;
        output = epilogue;
        workers.run(matrix.pairs(), this);
    }

    @Override
    public void run(int worker, int pair) {
        float[] target = sums[worker];
        int rows = input.rows();
        int second = input.paddedRows(rows) * PackedMatrix.PANEL;
        if (rows == 1) {
            long panelBytes = weights.panelBytes();
            ops.multiplyRow(
                    weights.format(),
                    weights.data(),
                    2L * pair * panelBytes,
                    panelBytes,
                    weights.width(),
                    input.data(),
                    0,
                    target,
                    0,
                    second);
        } else {
            Arrays.fill(target, 0, 2 * second, 0);
            multiplyPanel(worker, 2 * pair, target, 0);
            multiplyPanel(worker, 2 * pair + 1, target, second);
        }
        weights.finish(ops, 2 * pair, target, 0, rows);
        weights.finish(ops, 2 * pair + 1, target, second, rows);
        output.accept(pair, rows, target, second, ops);
    }

    /** Decodes the panel piece by piece; each piece serves all tiles before the next one. */
    private void multiplyPanel(int worker, int panel, float[] target, int at) {
        Format format = weights.format();
        long offset = panel * weights.panelBytes();
        int width = weights.width();
        MemorySegment memory = weights.data();
        for (int k = 0; k < width; k += CHUNK) {
            int count = Math.min(CHUNK, width - k);
            long chunk = offset + (long) (k / format.inputsPerWord) * PackedMatrix.ROW_BYTES;
            if (format != Format.F32) {
                ops.unpack(format, weights.data(), chunk, count, unpacked[worker]);
                memory = unpacked[worker];
                chunk = 0;
            }
            for (int tile = 0; tile < input.tiles(); tile++) {
                int height = input.height(tile);
                ops.multiplyTile(
                        memory,
                        chunk,
                        count,
                        input.data(),
                        input.offset(tile) + k * height,
                        height,
                        target,
                        at + input.firstRow(tile) * PackedMatrix.PANEL);
            }
        }
    }
}
