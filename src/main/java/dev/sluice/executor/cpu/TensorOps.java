package dev.sluice.executor.cpu;

import dev.sluice.executor.cpu.PackedMatrix.Format;
import java.lang.foreign.MemorySegment;
import org.slf4j.LoggerFactory;

/**
 * The arithmetic of the decoder that is worth a vector instruction.
 *
 * <p>Every operation fixes the order of its additions per output element, and where two operations are fused into one
 * rounding. All implementations therefore give the same bits, at every vector width, and an element's value does not
 * depend on what is computed beside it.
 */
sealed interface TensorOps permits ScalarOps, VectorOps {

    /** The fastest that this JVM has. */
    static TensorOps best() {
        try {
            if (VectorOps.isSupported()) {
                return new VectorOps();
            }
        } catch (NoClassDefFoundError e) {
            LoggerFactory.getLogger(TensorOps.class)
                    .warn("no Vector API, steps will be slow: start the JVM with --add-modules jdk.incubator.vector");
        }
        return new ScalarOps();
    }

    /** What computes, for logs. */
    String description();

    /**
     * One row times one pair of panels: {@code sums[j] = sum over k of a[k] * w[k][j]}, k ascending, fused.
     *
     * @param offset of the first panel; the second is {@code panelBytes} further
     * @param at where the first panel's 32 sums go
     * @param secondAt where the second panel's 32 sums go
     */
    void multiplyRow(
            Format format,
            MemorySegment w,
            long offset,
            long panelBytes,
            int inputs,
            float[] a,
            int aAt,
            float[] sums,
            int at,
            int secondAt);

    /** Rows in a tile: as many as keep this machine's registers busy, 4 or 8. */
    int tileRows();

    /** Expands word rows into F32 word rows at the start of {@code target}. */
    void unpack(Format format, MemorySegment w, long offset, int inputs, MemorySegment target);

    /**
     * Continues the sums of a tile: {@code sums[i][j] += sum over k of a[k][i] * w[k][j]}, k ascending, fused.
     *
     * @param w F32 word rows, from {@code offset} on
     * @param height 4 or 8 rows, interleaved in {@code a}
     */
    void multiplyTile(MemorySegment w, long offset, int inputs, float[] a, int aAt, int height, float[] sums, int at);

    /** {@code sums[i][j] = sums[i][j] * scales[first + j] + shifts[first + j]}, fused, 32 columns a row. */
    void scaleAndShift(float[] sums, int at, int rows, float[] scales, float[] shifts, int first);

    /** {@code values[gate + i] = silu(values[gate + i]) * values[up + i]}; count is a multiple of 32. */
    void gate(float[] values, int gate, int up, int count);

    /**
     * Dot products of queries with the keys of a tile, over the head's elements in order, fused.
     *
     * @param base offset of the layer and head within a block
     * @param queryAt index of each row's query in {@code queries}
     * @param scores one row of {@link KeyTile#STRIDE} per query; key {@code t} of the tile is at {@link KeyTile#LEAD} + t
     */
    void scores(
            MemorySegment kv,
            long base,
            KeyTile keys,
            int headDim,
            float[] queries,
            int[] queryAt,
            int rows,
            float[] scores);

    /**
     * Turns the scores of one row into weights {@code exp(score - max)}, zero outside of [from, to).
     *
     * @param at index of the tile's first key, a multiple of 16
     * @param from first visible key, {@code to} the one after the last; at least one is visible
     * @param rangeFrom multiple of 16, not above {@code from}; {@code rangeTo} likewise not below {@code to}
     * @param max receives the largest visible score at {@code row}
     * @param sum receives the sum of the weights at {@code row}
     */
    void softmax(
            float[] scores, int at, int from, int to, int rangeFrom, int rangeTo, float[] max, float[] sum, int row);

    /**
     * Weighted sums of the values of a tile, from key {@code keys.from()} to {@code keys.to()} in order, fused.
     *
     * @param width floats per row of {@code sums} and per stored value, a multiple of 32
     */
    void values(MemorySegment kv, long base, KeyTile keys, int width, float[] weights, int rows, float[] sums);

    /** {@code sums[at + i] = sums[at + i] * factor + other[otherAt + i] * otherFactor}; count is a multiple of 32. */
    void blend(float[] sums, int at, float factor, float[] other, int otherAt, float otherFactor, int count);
}
