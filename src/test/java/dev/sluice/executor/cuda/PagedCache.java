package dev.sluice.executor.cuda;

import dev.sluice.executor.cuda.EmulatedAttentionTest.Shape;
import java.util.Arrays;
import java.util.Random;

/**
 * Keys and values of several sequences in an arena, their blocks in random order. Whatever no row may see is NaN: other
 * layers, other slots, blocks that have left the window, positions that are yet to come.
 */
final class PagedCache {

    static final int LAYERS = 2;
    static final int LAYER = 1;

    final Shape shape;
    final int[] lengths;
    final int stride;
    final int[] tables;
    final Numbers arena;
    final int blocks;
    private final Random random;

    /** @param firsts positions of each sequence from which on there are keys and values */
    PagedCache(Shape shape, int[] lengths, int[] firsts, Random random) {
        this.random = random;
        this.shape = shape;
        this.lengths = lengths;
        int longest = 0;
        int count = 1;
        for (int length : lengths) {
            longest = Math.max(longest, length);
            count += (length + shape.blockSize() - 1) / shape.blockSize();
        }
        blocks = count;
        stride = longest / shape.blockSize() + 2;
        tables = new int[lengths.length * stride];
        int[] free = random.ints(0, Integer.MAX_VALUE).limit(blocks - 1).toArray();
        Integer[] order = new Integer[blocks - 1];
        for (int i = 0; i < order.length; i++) {
            order[i] = i + 1;
        }
        Arrays.sort(order, (a, b) -> Integer.compare(free[a - 1], free[b - 1]));
        arena = Numbers.poisoned(
                shape.format(), blocks * LAYERS * 2 * shape.kvHeads() * shape.blockSize() * shape.dim());
        int next = 0;
        for (int s = 0; s < lengths.length; s++) {
            for (int p = 0; p < lengths[s]; p++) {
                if (p % shape.blockSize() == 0) {
                    int block = order[next++];
                    // Blocks that are wholly out of sight may be gone: their entry is the null block.
                    tables[s * stride + p / shape.blockSize()] = p + shape.blockSize() <= firsts[s] ? 0 : block;
                }
                if (p >= firsts[s]) {
                    fill(s, p);
                }
            }
        }
    }

    private void fill(int sequence, int position) {
        for (int head = 0; head < shape.kvHeads(); head++) {
            for (int i = 0; i < shape.dim(); i++) {
                arena.set(at(sequence, position, head, 0) + i, random.nextGaussian());
                arena.set(at(sequence, position, head, 1) + i, random.nextGaussian());
            }
        }
    }

    int at(int sequence, int position, int head, int kind) {
        int block = tables[sequence * stride + position / shape.blockSize()];
        int heads = ((block * LAYERS + LAYER) * 2 + kind) * shape.kvHeads() + head;
        return (heads * shape.blockSize() + position % shape.blockSize()) * shape.dim();
    }

    /** One query head of one position. */
    void attend(Numbers queries, int queryAt, int sequence, int position, int head, double[] out) {
        int from = shape.window() > 0 ? Math.max(0, position - shape.window() + 1) : 0;
        double[] scores = new double[position + 1 - from];
        double largest = Double.NEGATIVE_INFINITY;
        for (int p = from; p <= position; p++) {
            int key = at(sequence, p, head / shape.group(), 0);
            double score = 0;
            for (int i = 0; i < shape.dim(); i++) {
                score += queries.get(queryAt + i) * arena.get(key + i);
            }
            scores[p - from] = score * shape.scale();
            largest = Math.max(largest, scores[p - from]);
        }
        double sum = 0;
        for (int p = from; p <= position; p++) {
            double weight = Math.exp(scores[p - from] - largest);
            sum += weight;
            int value = at(sequence, p, head / shape.group(), 1);
            for (int i = 0; i < shape.dim(); i++) {
                out[queryAt + i] += weight * arena.get(value + i);
            }
        }
        for (int i = 0; i < shape.dim(); i++) {
            out[queryAt + i] /= sum;
        }
    }
}
