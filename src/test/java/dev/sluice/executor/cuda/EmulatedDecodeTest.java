package dev.sluice.executor.cuda;

import static dev.sluice.executor.cuda.PagedCache.LAYER;
import static dev.sluice.executor.cuda.PagedCache.LAYERS;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.executor.cuda.EmulatedAttentionTest.Shape;
import dev.sluice.executor.cuda.Numbers.Format;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The kernels of decode attention against each other and against prefill, bit for bit: which of them computes a row, and on
 * how many blocks, is the host's choice and must not show.
 */
class EmulatedDecodeTest {

    private static final int CHUNK_KEYS = 256;

    private final EmulatedGpu gpu = EmulatedGpu.require();
    private final Random random = new Random(11);

    /** Decoding of some rows, and the partial results on the way. */
    static final class Launch {

        private final EmulatedGpu gpu;
        private final PagedCache cache;
        private final Shape shape;
        private final Numbers queries;
        private final Numbers lengths;
        private final Numbers tables;
        private final int rows;
        final int chunks;
        Numbers partial;
        Numbers stats;

        Launch(EmulatedGpu gpu, PagedCache cache, Numbers queries, int[] lengths, int[] tables) {
            this.gpu = gpu;
            this.cache = cache;
            this.queries = queries;
            this.lengths = Numbers.ints(lengths);
            this.tables = Numbers.ints(tables);
            shape = cache.shape;
            rows = lengths.length;
            int most = 1;
            for (int length : lengths) {
                int first = shape.window() > 0 ? Math.max(0, length - shape.window()) : 0;
                most = Math.max(most, Math.ceilDiv(length, CHUNK_KEYS) - first / CHUNK_KEYS);
            }
            chunks = most;
            partial = Numbers.poisoned(Format.F32, rows * shape.heads() * chunks * shape.dim());
            stats = Numbers.poisoned(Format.F32, rows * shape.heads() * chunks * 2);
        }

        void decode(int splits) {
            decode("paged_attention_decode", splits);
        }

        void decodeWide(int splits) {
            decode("paged_attention_decode_wide", splits);
        }

        private void decode(String kernel, int splits) {
            partial = Numbers.poisoned(Format.F32, partial.count);
            stats = Numbers.poisoned(Format.F32, stats.count);
            gpu.launch(
                    kernel + shape.suffix(),
                    splits,
                    shape.kvHeads() * ((shape.group() + 15) / 16),
                    rows,
                    128,
                    768 * shape.dim(),
                    partial,
                    stats,
                    queries,
                    cache.arena,
                    tables,
                    lengths,
                    chunks,
                    cache.stride,
                    LAYER,
                    shape.heads(),
                    LAYERS,
                    shape.kvHeads(),
                    shape.blockSize(),
                    shape.window(),
                    shape.scale());
        }

        Numbers reduce(int parts) {
            Numbers out = Numbers.poisoned(shape.format(), rows * shape.heads() * shape.dim());
            gpu.launch(
                    "paged_attention_reduce" + EmulatedKernelTest.suffix(shape.format()),
                    shape.heads(),
                    rows,
                    parts,
                    128,
                    0,
                    out,
                    partial,
                    stats,
                    lengths,
                    chunks,
                    shape.dim(),
                    shape.window());
            return out;
        }
    }

    @ParameterizedTest
    @CsvSource({
        // format, head dim, heads, kv heads, block size, window, lengths: on and beside the borders of slices, tiles,
        // chunks
        "BF16, 64, 2, 2, 16, 0, 1 15 16 17 63 64 65 127 128 0",
        "BF16, 128, 4, 1, 16, 0, 255 256 257 511 512 513 1100",
        "BF16, 128, 8, 2, 32, 0, 770 33 1025",
        "FP16, 128, 7, 1, 32, 0, 640 191 193",
        "FP16, 64, 8, 1, 16, 0, 319 320 321 1500",
        "BF16, 64, 16, 1, 32, 0, 400 129",
        "BF16, 64, 20, 1, 16, 0, 300 7", // more query heads than rows of a product
        "BF16, 64, 4, 1, 16, 300, 299 300 301 512 700 1023",
        "FP16, 128, 4, 1, 32, 1, 1 256 257 258",
        "BF16, 128, 7, 1, 16, 200, 456 457 461 900",
        "BF16, 64, 1, 1, 32, 513, 768 769 770 1300"
    })
    void decodingHasTheBitsOfPrefillWhicheverKernelDoesIt(
            Format format, int dim, int heads, int kvHeads, int blockSize, int window, String lengthList) {
        Shape shape = new Shape(format, dim, heads, kvHeads, blockSize, window);
        int[] lengths = EmulatedAttentionTest.numbers(lengthList);
        int[] firsts = new int[lengths.length];
        int[] starts = new int[lengths.length + 1];
        for (int i = 0; i < lengths.length; i++) {
            firsts[i] = window > 0 ? Math.max(0, lengths[i] - window) : 0;
            starts[i + 1] = starts[i] + (lengths[i] > 0 ? 1 : 0); // an unused row, the last one, is only decoding's
        }
        PagedCache cache = new PagedCache(shape, lengths, firsts, random);
        Numbers queries = Numbers.random(format, lengths.length * heads * dim, random, 4);
        Launch launch = new Launch(gpu, cache, queries, lengths, cache.tables);
        launch.decode((launch.chunks + 3) / 4);
        Numbers partial = launch.partial;
        Numbers stats = launch.stats;
        Numbers decoded = launch.reduce(1);
        for (int splits = 1; splits <= launch.chunks; splits++) {
            launch.decodeWide(splits);
            assertThat(launch.stats.matches(0, stats, 0, stats.count))
                    .as("largest scores and sums, %d splits", splits)
                    .isTrue();
            assertThat(launch.partial.matches(0, partial, 0, partial.count))
                    .as("sums of values, %d splits", splits)
                    .isTrue();
        }
        Numbers prefilled = new EmulatedAttentionTest().prefill(cache, queries, starts, lengths);
        for (int row = 0; row < lengths.length; row++) {
            if (lengths[row] > 0) {
                assertThat(decoded.matches(row * heads * dim, prefilled, row * heads * dim, heads * dim))
                        .as("a length of %d", lengths[row])
                        .isTrue();
            }
        }
    }

    /**
     * Differences of largest scores are whole, so that factors are powers of two and the blend can be written out here. The
     * last chunk takes away nearly all of what the others add up to: what is left shows how they were added.
     */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 31, 32, 33, 64, 65, 96, 97, 127, 128, 129, 256, 257, 300, 520})
    void chunksAreBlendedOneByOneInAscendingOrder(int chunks) {
        int heads = 2;
        int[] dims = {128, 64, 32, 16};
        for (int dim : dims) {
            int places = chunks + 3;
            Numbers partial = Numbers.random(Format.F32, heads * places * dim, random, 4096);
            Numbers stats = Numbers.random(Format.F32, heads * places * 2, random, 1);
            for (int i = 0; i < heads * places; i++) {
                boolean empty = random.nextInt(9) == 0; // the row saw nothing of it
                stats.set(2 * i, empty ? Double.NEGATIVE_INFINITY : random.nextInt(9) - 4);
                stats.set(2 * i + 1, empty ? 0 : 1 + random.nextDouble());
                for (int d = 0; empty && d < dim; d++) {
                    partial.set(i * dim + d, 0);
                }
            }
            Numbers lengths = Numbers.ints(chunks * CHUNK_KEYS - random.nextInt(CHUNK_KEYS));
            Numbers expected = blended(partial, stats, heads, chunks, places, dim);
            for (int parts = 1; parts <= Math.max(1, dim / 32); parts *= 2) {
                Numbers out = Numbers.poisoned(Format.FP16, heads * dim);
                gpu.launch(
                        "paged_attention_reduce_fp16",
                        heads,
                        1,
                        parts,
                        128,
                        0,
                        out,
                        partial,
                        stats,
                        lengths,
                        places,
                        dim,
                        0);
                assertThat(out.matches(0, expected, 0, out.count))
                        .as("%d dimensions in %d parts", dim, parts)
                        .isTrue();
            }
        }
    }

    private static Numbers blended(Numbers partial, Numbers stats, int heads, int chunks, int places, int dim) {
        Numbers out = Numbers.poisoned(Format.FP16, heads * dim);
        for (int head = 0; head < heads; head++) {
            float[] values = new float[dim];
            float sum = 0;
            float largest = Float.NEGATIVE_INFINITY;
            for (int i = head * places; i < head * places + chunks; i++) {
                if (i == head * places + chunks - 1) {
                    stats.set(2 * i, Math.max(largest, -4));
                    for (int d = 0; d < dim && i > head * places; d++) {
                        partial.set(i * dim + d, values[d] * (0x1p-12f - 1));
                    }
                }
                float of = (float) stats.get(2 * i);
                float both = Math.max(largest, of);
                float kept = both == Float.NEGATIVE_INFINITY ? 0 : (float) Math.pow(2, largest - both);
                float added = both == Float.NEGATIVE_INFINITY ? 0 : (float) Math.pow(2, of - both);
                for (int d = 0; d < dim; d++) {
                    values[d] = Math.fma(values[d], kept, (float) partial.get(i * dim + d) * added);
                }
                sum = Math.fma(sum, kept, (float) stats.get(2 * i + 1) * added);
                largest = both;
            }
            for (int d = 0; d < dim; d++) {
                out.set(head * dim + d, values[d] * (1 / sum));
            }
        }
        return out;
    }
}
