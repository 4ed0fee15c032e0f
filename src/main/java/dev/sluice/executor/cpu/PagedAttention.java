package dev.sluice.executor.cpu;

import static dev.sluice.executor.cpu.Lanes.COUNT;
import static dev.sluice.executor.cpu.Lanes.F;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * Attention of one token over the blocks of its sequence: all query heads that share a key/value head at once.
 *
 * <p>Keys are taken a vector of tokens at a time from the transposed cells, so that a score is a lane and needs no sum
 * across lanes. What is computed for a token, and in which order, depends on its position alone, never on the chunk or
 * the batch it came with.
 */
final class PagedAttention {

    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(LE);

    private final KvArena kv;
    private final int group;
    private final int window;
    private final float scale;

    /** @param window tokens each position sees, itself included; 0 is all */
    PagedAttention(KvArena kv, int group, int window) {
        this.kv = kv;
        this.group = group;
        this.window = window;
        scale = (float) (1 / Math.sqrt(kv.headDim));
    }

    /** Memory that one worker needs: scores of a group, one vector, and the sums of a padded head. */
    static final class Scratch {
        float[] scores = new float[0];
        final float[] lanes = new float[COUNT];
        final float[] head;

        Scratch(KvArena kv) {
            head = new float[kv.paddedHeadDim];
        }
    }

    /** Writes one token's key and value into its slot. */
    void store(int block, int slot, int layer, int kvHead, float[] qkv, int key, int value) {
        MemorySegment memory = kv.memory;
        long keys = kv.keys(block, layer, kvHead) + 4L * slot;
        long values = kv.values(block, layer, kvHead) + 4L * slot * kv.paddedHeadDim;
        for (int d = 0; d < kv.headDim; d++) {
            memory.set(FLOAT, keys + 4L * d * kv.blockSize, qkv[key + d]);
            memory.set(FLOAT, values + 4L * d, qkv[value + d]);
        }
    }

    /**
     * Attends from one position.
     *
     * @param query index in {@code q} of the group's first query head
     * @param out index in {@code y} of the group's first output head
     */
    void attend(
            int[] blocks,
            int position,
            int layer,
            int kvHead,
            float[] q,
            int query,
            float[] y,
            int out,
            Scratch scratch) {
        int first = window == 0 ? 0 : Math.max(0, position - window + 1);
        int base = first / kv.blockSize * kv.blockSize;
        int span = (position / kv.blockSize + 1) * kv.blockSize - base;
        if (scratch.scores.length < group * span) {
            scratch.scores = new float[group * span * 2];
        }
        float[] scores = scratch.scores;
        for (int at = 0; at < span; at += kv.blockSize) {
            long keys = kv.keys(blocks[(base + at) / kv.blockSize], layer, kvHead);
            for (int head = 0; head < group; head++) {
                score(keys, q, query + head * kv.headDim, scores, head * span + at);
            }
        }
        for (int head = 0; head < group; head++) {
            int from = head * span;
            Arrays.fill(scores, from, from + first - base, Float.NEGATIVE_INFINITY);
            Arrays.fill(scores, from + position + 1 - base, from + span, Float.NEGATIVE_INFINITY);
            float sum = VectorOps.softmax(scores, from, span, scratch.lanes);
            mix(blocks, base, first, position, layer, kvHead, scores, from, 1 / sum, scratch.head);
            System.arraycopy(scratch.head, 0, y, out + head * kv.headDim, kv.headDim);
        }
    }

    private void score(long keys, float[] q, int query, float[] scores, int at) {
        for (int t = 0; t < kv.blockSize; t += COUNT) {
            FloatVector even = FloatVector.zero(F);
            FloatVector odd = even;
            long from = keys + 4L * t;
            for (int d = 0; d < kv.headDim; d += 2) {
                even = FloatVector.fromMemorySegment(F, kv.memory, from + 4L * d * kv.blockSize, LE)
                        .fma(FloatVector.broadcast(F, q[query + d]), even);
                odd = FloatVector.fromMemorySegment(F, kv.memory, from + 4L * (d + 1) * kv.blockSize, LE)
                        .fma(FloatVector.broadcast(F, q[query + d + 1]), odd);
            }
            even.add(odd).mul(scale).intoArray(scores, at + t);
        }
    }

    private void mix(
            int[] blocks,
            int base,
            int first,
            int last,
            int layer,
            int kvHead,
            float[] weights,
            int from,
            float norm,
            float[] head) {
        int row = kv.paddedHeadDim;
        for (int d = 0; d < row; d += COUNT) {
            FloatVector sum = FloatVector.zero(F);
            for (int position = first; position <= last; ) {
                int slot = position % kv.blockSize;
                int end = Math.min(last + 1, position - slot + kv.blockSize);
                long value = kv.values(blocks[position / kv.blockSize], layer, kvHead) + 4L * (slot * row + d);
                for (; position < end; position++, value += 4L * row) {
                    sum = FloatVector.fromMemorySegment(F, kv.memory, value, LE)
                            .fma(FloatVector.broadcast(F, weights[from + position - base]), sum);
                }
            }
            sum.mul(norm).intoArray(head, d);
        }
    }
}
