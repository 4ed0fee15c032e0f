package dev.sluice.executor.cuda;

import static dev.sluice.executor.cuda.PagedCache.LAYER;
import static dev.sluice.executor.cuda.PagedCache.LAYERS;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.executor.cuda.EmulatedGpu.MatrixMap;
import dev.sluice.executor.cuda.Numbers.Format;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Paged attention on the emulated GPU against a softmax in double precision. Whatever no row may see is NaN in the arena:
 * other layers, other slots, blocks that have left the window.
 */
class EmulatedAttentionTest {

    private final EmulatedGpu gpu = EmulatedGpu.require();
    private final Random random = new Random(5);

    record Shape(Format format, int dim, int heads, int kvHeads, int blockSize, int window) {

        int group() {
            return heads / kvHeads;
        }

        float scale() {
            return (float) (1 / Math.sqrt(dim));
        }

        String suffix() {
            return EmulatedKernelTest.suffix(format) + "_" + dim;
        }
    }

    @ParameterizedTest
    @CsvSource({
        // format, head dim, heads, kv heads, block size, window, lengths
        "BF16, 64, 4, 2, 16, 0, 1 16 17 63 64 65 0 200",
        "BF16, 128, 8, 1, 32, 0, 33 5 257",
        "FP16, 128, 4, 4, 16, 0, 31 300",
        "FP16, 64, 6, 2, 32, 33, 33 34 100 32",
        "BF16, 64, 20, 1, 16, 0, 40 3", // more query heads than rows of a product
        "BF16, 16, 4, 2, 16, 20, 20 21 37 5",
        "BF16, 32, 3, 1, 32, 300, 299 301 640",
        "BF16, 64, 4, 2, 16, 1, 1 2 50",
        "BF16, 128, 4, 1, 16, 0, 511 512 513 770",
        "BF16, 16, 2, 1, 16, 0, 9001", // more keys than the smallest splits hold
        "BF16, 16, 2, 1, 32, 8500, 8499 9000"
    })
    void oneQueryPerSequence(
            Format format, int dim, int heads, int kvHeads, int blockSize, int window, String lengthList) {
        Shape shape = new Shape(format, dim, heads, kvHeads, blockSize, window);
        int[] lengths = numbers(lengthList);
        int[] firsts = lengths.clone();
        for (int i = 0; i < lengths.length; i++) {
            firsts[i] = window > 0 ? Math.max(0, lengths[i] - window) : 0;
        }
        PagedCache cache = new PagedCache(shape, lengths, firsts, random);
        Numbers queries = Numbers.random(format, lengths.length * heads * dim, random, 2);
        Numbers out = decode(cache, queries, lengths, cache.tables);
        double[] expected = new double[out.count];
        for (int row = 0; row < lengths.length; row++) {
            for (int head = 0; head < heads; head++) {
                int at = (row * heads + head) * dim;
                if (lengths[row] > 0) {
                    cache.attend(queries, at, row, lengths[row] - 1, head, expected);
                } else {
                    for (int i = 0; i < dim; i++) { // an unused row stays as it is
                        assertThat(out.get(at + i)).isNaN();
                        out.set(at + i, 0);
                    }
                }
            }
        }
        out.assertClose(expected, error(format));
        // The same bits alone as in the batch.
        for (int row = 0; row < lengths.length; row++) {
            Numbers query = Numbers.poisoned(format, heads * dim);
            for (int i = 0; i < query.count; i++) {
                query.set(i, queries.get(row * heads * dim + i));
            }
            int[] table = Arrays.copyOfRange(cache.tables, row * cache.stride, (row + 1) * cache.stride);
            if (lengths[row] > 0) {
                Numbers alone = decode(cache, query, new int[] {lengths[row]}, table);
                assertThat(alone.matches(0, out, row * heads * dim, heads * dim))
                        .as("row %d alone", row)
                        .isTrue();
            }
        }
    }

    private Numbers decode(PagedCache cache, Numbers queries, int[] lengths, int[] tables) {
        EmulatedDecodeTest.Launch launch = new EmulatedDecodeTest.Launch(gpu, cache, queries, lengths, tables);
        // Either kernel, and any number of splits and of parts, gives the same bits.
        if (cache.shape.dim >= 64 && random.nextBoolean()) {
            launch.decodeWide(1 + random.nextInt(launch.chunks));
        } else {
            launch.decode((launch.chunks + 3) / 4 + random.nextInt(launch.chunks));
        }
        return launch.reduce(cache.shape.dim >= 64 ? 1 << random.nextInt(3) : 1);
    }

    @ParameterizedTest
    @CsvSource({
        // format, head dim, heads, kv heads, block size, window, lengths, of which new
        "BF16, 64, 4, 2, 16, 0, 1 64 65 200, 1 64 65 73",
        "BF16, 128, 8, 2, 32, 0, 130 40, 130 1",
        "FP16, 128, 3, 3, 16, 0, 129, 129",
        "FP16, 64, 6, 2, 32, 33, 150 34, 150 20",
        "BF16, 64, 7, 1, 16, 70, 300 71, 60 71",
        "BF16, 16, 4, 2, 16, 20, 90 21, 50 3",
        "BF16, 32, 4, 1, 16, 1, 70, 70",
        "BF16, 64, 2, 1, 16, 64, 193, 130"
    })
    void newPositionsOfSeveralSequences(
            Format format,
            int dim,
            int heads,
            int kvHeads,
            int blockSize,
            int window,
            String lengthList,
            String countList) {
        Shape shape = new Shape(format, dim, heads, kvHeads, blockSize, window);
        int[] lengths = numbers(lengthList);
        int[] counts = numbers(countList);
        int[] firsts = new int[lengths.length];
        for (int i = 0; i < lengths.length; i++) {
            firsts[i] = window > 0 ? Math.max(0, lengths[i] - counts[i] - window + 1) : 0;
        }
        PagedCache cache = new PagedCache(shape, lengths, firsts, random);
        int[] starts = new int[counts.length + 1];
        for (int i = 0; i < counts.length; i++) {
            starts[i + 1] = starts[i] + counts[i];
        }
        Numbers queries = Numbers.random(format, starts[counts.length] * heads * dim, random, 2);
        Numbers out = prefill(cache, queries, starts, lengths);
        double[] expected = new double[out.count];
        for (int s = 0; s < lengths.length; s++) {
            for (int i = 0; i < counts[s]; i++) {
                for (int head = 0; head < heads; head++) {
                    int at = ((starts[s] + i) * heads + head) * dim;
                    cache.attend(queries, at, s, lengths[s] - counts[s] + i, head, expected);
                }
            }
        }
        out.assertClose(expected, error(format));
    }

    @ParameterizedTest
    @CsvSource({
        // format, head dim, heads, kv heads, block size, window, length, of which new
        "BF16, 128, 4, 1, 16, 0, 1030, 70", // many chunks
        "BF16, 64, 7, 1, 32, 0, 321, 321", // from the first position on
        "FP16, 128, 8, 1, 48, 0, 257, 33", // one key of a chunk
        "BF16, 128, 1, 1, 16, 0, 513, 129", // four warps have one row
        "FP16, 64, 8, 2, 16, 300, 900, 40", // a window of more than a chunk
        "BF16, 128, 2, 1, 32, 17, 450, 200", // tiles that four warps do not see, on either side
        "BF16, 64, 1, 1, 16, 600, 700, 1"
    })
    void decodeGivesTheSameBits(
            Format format, int dim, int heads, int kvHeads, int blockSize, int window, int length, int count) {
        Shape shape = new Shape(format, dim, heads, kvHeads, blockSize, window);
        int first = window > 0 ? Math.max(0, length - count - window + 1) : 0;
        PagedCache cache = new PagedCache(shape, new int[] {length}, new int[] {first}, random);
        Numbers queries = Numbers.random(format, count * heads * dim, random, 4);
        Numbers out = prefill(cache, queries, new int[] {0, count}, new int[] {length});
        int[] lengths = new int[count];
        int[] tables = new int[count * cache.stride];
        for (int i = 0; i < count; i++) {
            lengths[i] = length - count + 1 + i;
            System.arraycopy(cache.tables, 0, tables, i * cache.stride, cache.stride);
        }
        assertThat(decode(cache, queries, lengths, tables).matches(0, out, 0, out.count))
                .isTrue();
    }

    /** Shapes of no particular kind; {@code -Dkernel.cases=1000} tries more of them. */
    @Test
    void sequencesOfAnyShape() {
        int[] dims = {16, 32, 64, 128};
        for (int i = 0; i < Integer.getInteger("kernel.cases", 20); i++) {
            int dim = dims[random.nextInt(4)];
            Format format = dim >= 64 && random.nextBoolean() ? Format.FP16 : Format.BF16;
            int kvHeads = 1 + random.nextInt(2);
            int heads = kvHeads * (1 + random.nextInt(random.nextInt(8) == 0 ? 20 : 5));
            int blockSize = 16 * (1 + random.nextInt(4));
            int window = random.nextBoolean() ? 0 : 1 + random.nextInt(150);
            StringBuilder lengths = new StringBuilder();
            StringBuilder counts = new StringBuilder();
            for (int sequence = random.nextInt(3); sequence >= 0; sequence--) {
                int length = 1 + random.nextInt(random.nextInt(3) == 0 ? 600 : 80);
                lengths.append(length).append(' ');
                counts.append(1 + random.nextInt(Math.min(length, 90))).append(' ');
            }
            oneQueryPerSequence(format, dim, heads, kvHeads, blockSize, window, lengths.toString());
            newPositionsOfSeveralSequences(
                    format, dim, heads, kvHeads, blockSize, window, lengths.toString(), counts.toString());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 50})
    void chunksDoNotChangeARow(int window) {
        Shape shape = new Shape(Format.BF16, 64, 6, 2, 16, window);
        int length = 150;
        int width = shape.heads * shape.dim;
        PagedCache cache = new PagedCache(shape, new int[] {length}, new int[1], random);
        Numbers queries = Numbers.random(Format.BF16, length * width, random, 2);
        Numbers whole = prefill(cache, queries, new int[] {0, length}, new int[] {length});
        int from = 0;
        for (int to : new int[] {37, 38, 101, 150}) {
            Numbers chunk = Numbers.poisoned(Format.BF16, (to - from) * width);
            for (int i = 0; i < chunk.count; i++) {
                chunk.set(i, queries.get(from * width + i));
            }
            Numbers part = prefill(cache, chunk, new int[] {0, to - from}, new int[] {to});
            assertThat(part.matches(0, whole, from * width, part.count))
                    .as("positions %d to %d", from, to)
                    .isTrue();
            from = to;
        }
    }

    /** By every kernel that can: they give the same bits. */
    Numbers prefill(PagedCache cache, Numbers queries, int[] starts, int[] lengths) {
        Shape s = cache.shape;
        Numbers out = Numbers.poisoned(s.format, queries.count);
        int threads = 256;
        prefill("paged_attention_prefill", cache, threads, 768 * s.dim, out, queries, cache.arena, starts, lengths);
        if (s.dim >= 64 && (!TestGpu.isReal() || TestGpu.capability() == 90)) {
            int rows = cache.arena.count / s.dim;
            MatrixMap map = new MatrixMap(cache.arena, rows, s.dim, 16);
            String name = "paged_attention_prefill_wgmma";
            Numbers other = Numbers.poisoned(s.format, queries.count);
            prefill(name, cache, 384, 1280 * s.dim - 16_224, other, queries, map, starts, lengths);
            compare(name, other, out);
        }
        return out;
    }

    /** A real GPU may add up otherwise; the executor then does without this kernel. */
    private static void compare(String kernel, Numbers other, Numbers out) {
        boolean same = other.matches(0, out, 0, out.count);
        if (!TestGpu.isReal()) {
            assertThat(same).as(kernel).isTrue();
        } else if (!same) {
            System.out.println(kernel + " has other bits than paged_attention_prefill on this GPU");
            double[] expected = new double[out.count];
            Arrays.setAll(expected, out::get);
            other.assertClose(expected, 2 * error(out.format));
        }
    }

    private void prefill(
            String kernel,
            PagedCache cache,
            int threads,
            int sharedBytes,
            Numbers out,
            Numbers queries,
            Object arena,
            int[] starts,
            int[] lengths) {
        Shape s = cache.shape;
        int longest = 0;
        for (int i = 0; i < lengths.length; i++) {
            longest = Math.max(longest, starts[i + 1] - starts[i]);
        }
        gpu.launch(
                kernel + s.suffix(),
                (longest * s.group() + 127) / 128,
                s.kvHeads,
                lengths.length,
                threads,
                sharedBytes,
                out,
                queries,
                arena,
                Numbers.ints(cache.tables),
                Numbers.ints(starts),
                Numbers.ints(lengths),
                cache.stride,
                LAYER,
                s.heads,
                LAYERS,
                s.kvHeads,
                s.blockSize,
                s.window,
                s.scale());
    }

    /** Weights are rounded to the format before they meet the values, which are seldom larger than 4. */
    private static double error(Format format) {
        return format == Format.BF16 ? 0x1p-8 : 0x1p-11;
    }

    static int[] numbers(String list) {
        String[] words = list.trim().split(" ");
        int[] numbers = new int[words.length];
        for (int i = 0; i < words.length; i++) {
            numbers[i] = Integer.parseInt(words[i]);
        }
        return numbers;
    }
}
