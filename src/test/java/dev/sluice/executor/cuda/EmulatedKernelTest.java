package dev.sluice.executor.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sluice.executor.cuda.Numbers.Format;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The kernels between the matrix products, run on the emulated GPU, against plain loops in double precision. */
class EmulatedKernelTest {

    private final EmulatedGpu gpu = EmulatedGpu.require();
    private final Random random = new Random(7);

    @ParameterizedTest
    @CsvSource({
        "without_barrier, ''",
        "with_skipped_barrier, did not reach the block's barrier",
        "with_skipped_shuffle, did not reach the block's barrier",
        "without_wait, ''",
        "beyond_shared, behind dynamic shared memory",
        "with_missing_flag, threads wait for a flag that does not come",
        "without_previous, did not wait for the kernels before"
    })
    void theEmulatedGpuSeesWrongKernels(String kernel, String message) {
        assumeTrue(!TestGpu.isReal(), "a real GPU would not say so");
        Numbers out = Numbers.ints(new int[68]);
        if (!message.isEmpty()) {
            assertThatThrownBy(() -> gpu.launch(kernel, 1, 1, 1, 64, 32, out)).hasMessageContaining(message);
            return;
        }
        gpu.launch(kernel, 1, 1, 1, 64, 32, out);
        int poisoned = 0;
        for (int i = 0; i < out.count; i++) {
            poisoned += out.id(i) == -1 ? 1 : 0;
        }
        assertThat(poisoned).as("threads that saw what was not yet there").isPositive();
    }

    @ParameterizedTest
    @CsvSource({
        "with_partner_that_has_ended, 4, the shared memory of a block that has ended",
        "with_partner_that_has_not_begun, 2, a flag that is not set up",
        "with_partner_too_many, 2, a block that the cluster does not have",
        "with_skipped_cluster_barrier, 2, did not reach the cluster's barrier",
        "with_skipped_cluster_barrier, 3, a grid that is not divided into clusters"
    })
    void theEmulatedGpuSeesWrongClusters(String kernel, int blocks, String message) {
        assumeTrue(!TestGpu.isReal(), "a real GPU would not say so");
        Numbers out = Numbers.ints(new int[68]);
        assertThatThrownBy(() -> gpu.launch(kernel, blocks, 1, 1, 64, 32, out)).hasMessageContaining(message);
    }

    @Test
    void embeddingRowsAreCopiedAndForeignIdsReadTheFirst() {
        int hidden = 2088; // more than one round of 256 threads, not a multiple of them
        Numbers table = Numbers.random(Format.BF16, 5 * hidden, random, 1);
        int[] ids = {4, 0, -1, 5, 2, 4};
        Numbers out = Numbers.poisoned(Format.BF16, 6 * hidden);
        gpu.launch("embed_16bit", 6, 1, 1, 256, 0, out, table, Numbers.ints(ids), null, hidden, 5);
        assertRows(out, table, hidden, 4, 0, 0, 0, 2, 4);
    }

    @Test
    void idsThatTheHostDoesNotKnowAreTakenFromWhatWasSampled() {
        int hidden = 2088;
        Numbers table = Numbers.random(Format.BF16, 5 * hidden, random, 1);
        Numbers sampled = Numbers.ints(3, -1, 5, 4);
        int[] ids = {-4, 2, -1, -2, -3, -1};
        Numbers out = Numbers.poisoned(Format.BF16, 6 * hidden);
        gpu.launch("embed_16bit", 6, 1, 1, 256, 0, out, table, Numbers.ints(ids), sampled, hidden, 5);
        assertRows(out, table, hidden, 4, 2, 3, 0, 0, 3);
    }

    private static void assertRows(Numbers out, Numbers table, int hidden, int... expected) {
        for (int row = 0; row < expected.length; row++) {
            assertThat(out.matches(row * hidden, table, expected[row] * hidden, hidden))
                    .as("row " + row)
                    .isTrue();
        }
    }

    @ParameterizedTest
    @CsvSource({"BF16, 8, 32", "BF16, 72, 32", "FP16, 576, 64", "BF16, 2056, 96", "FP16, 4096, 256", "BF16, 8192, 256"})
    void rowsAreNormalised(Format format, int hidden, int block) {
        int rows = 3;
        Numbers in = Numbers.random(format, rows * hidden, random, 3);
        Numbers weight = Numbers.random(format, hidden, random, 2);
        Numbers out = Numbers.poisoned(format, rows * hidden);
        float eps = 1e-5f;
        gpu.launch("rms_norm" + suffix(format), rows, 1, 1, block, 0, out, in, weight, eps, hidden);
        out.assertClose(normalised(in, weight, hidden, eps), 1e-5);
    }

    @ParameterizedTest
    @CsvSource({"BF16, 72, 32", "FP16, 576, 64", "BF16, 2056, 96"})
    void theResidualIsUpdatedRoundedAndThenNormalised(Format format, int hidden, int block) {
        int rows = 3;
        Numbers residual = Numbers.random(format, rows * hidden, random, 3);
        Numbers delta = Numbers.random(format, rows * hidden, random, 1);
        Numbers weight = Numbers.random(format, hidden, random, 2);
        Numbers sum = residual.copy();
        for (int i = 0; i < sum.count; i++) {
            sum.set(i, sum.get(i) + delta.get(i));
        }
        float eps = 1e-6f;
        // In place of the delta, as the executor does it.
        gpu.launch("add_rms_norm" + suffix(format), rows, 1, 1, block, 0, delta, residual, delta, weight, eps, hidden);
        assertThat(residual.matches(0, sum, 0, sum.count)).isTrue();
        delta.assertClose(normalised(sum, weight, hidden, eps), 1e-5);
    }

    private static double[] normalised(Numbers in, Numbers weight, int hidden, float eps) {
        double[] out = new double[in.count];
        for (int row = 0; row < in.count; row += hidden) {
            double squares = 0;
            for (int i = 0; i < hidden; i++) {
                squares += in.get(row + i) * in.get(row + i);
            }
            for (int i = 0; i < hidden; i++) {
                out[row + i] = in.get(row + i) * weight.get(i) / Math.sqrt(squares / hidden + eps);
            }
        }
        return out;
    }

    @ParameterizedTest
    @EnumSource(
            value = Format.class,
            names = {"BF16", "FP16"})
    void theGateMultiplies(Format format) {
        int n = 2056; // two blocks a row, the second nearly empty
        int rows = 3; // of two blocks, the second half empty
        Numbers in = Numbers.random(format, rows * 2 * n, random, 8);
        in.set(0, -1000); // exp overflows
        in.set(1, 1000);
        Numbers out = Numbers.poisoned(format, rows * n);
        gpu.launch("silu_mul" + suffix(format), 2, 2, 1, 256, 0, out, in, rows, n);
        double[] expected = new double[rows * n];
        for (int i = 0; i < expected.length; i++) {
            double gate = in.get(i / n * 2 * n + i % n);
            expected[i] = gate / (1 + Math.exp(-gate)) * in.get(i / n * 2 * n + n + i % n);
        }
        out.assertClose(expected, 1e-5);
    }

    /** Its division is made of single steps, which have to hold at both ends of the range. */
    @ParameterizedTest
    @EnumSource(
            value = Format.class,
            names = {"BF16", "FP16"})
    void theGateOfEveryNumber(Format format) {
        int n = 1 << 16;
        Numbers in = Numbers.poisoned(format, 2 * n);
        for (int i = 0; i < n; i++) {
            in.set(i, format == Format.BF16 ? Float.intBitsToFloat(i << 16) : Float.float16ToFloat((short) i));
            in.set(n + i, 1);
        }
        Numbers out = Numbers.poisoned(format, n);
        gpu.launch("silu_mul" + suffix(format), 1, n / 2048, 1, 256, 0, out, in, 1, n);
        for (int i = 0; i < n; i++) {
            double gate = in.get(i);
            // What exp(-x) in 32 bits cannot hold is an infinity.
            double expected =
                    (float) Math.exp(-gate) == Float.POSITIVE_INFINITY ? gate * 0 : gate / (1 + Math.exp(-gate));
            double ulp = format == Format.BF16 ? 0x1p-8 : 0x1p-11;
            double error = Math.max(ulp * Math.abs(expected), format == Format.BF16 ? 0x1p-133 : 0x1p-24);
            boolean same = Double.compare(out.get(i), expected) == 0;
            assertThat(same || Math.abs(out.get(i) - expected) <= error)
                    .as("the gate of %s is %s, expected %s", gate, out.get(i), expected)
                    .isTrue();
        }
    }

    @ParameterizedTest
    @CsvSource({
        // format, heads, kv heads, head dim, block size, bias, norm
        "BF16, 4, 2, 64, 16, false, false",
        "BF16, 9, 3, 16, 32, true, false",
        "FP16, 4, 1, 128, 16, false, true",
        "BF16, 3, 1, 128, 32, true, true",
        "BF16, 2, 2, 256, 16, true, true",
        "FP16, 2, 1, 32, 16, true, true",
        "BF16, 5, 1, 16, 16, false, true",
        "BF16, 40, 8, 64, 16, false, true" // four blocks, the last half empty
    })
    void queriesTurnAndKeysAndValuesGoToTheirSlots(
            Format format, int heads, int kvHeads, int dim, int blockSize, boolean hasBias, boolean hasNorm) {
        int layers = 3;
        int layer = 1;
        int blocks = 4;
        int all = heads + 2 * kvHeads;
        int[] positions = {0, 1, 77, 4095, 131071};
        int[] slots = {3 * blockSize + blockSize - 1, blockSize, -1, 2 * blockSize + 5, 2 * blockSize + 6};
        int rows = positions.length;
        Numbers qkv = Numbers.random(format, rows * all * dim, random, 2);
        Numbers bias = hasBias ? Numbers.random(format, all * dim, random, 1) : null;
        Numbers queryNorm = hasNorm ? Numbers.random(format, dim, random, 2) : null;
        Numbers keyNorm = hasNorm ? Numbers.random(format, dim, random, 2) : null;
        float[] frequencies = new float[dim / 2];
        for (int i = 0; i < frequencies.length; i++) {
            frequencies[i] = (float) Math.pow(500000, -2.0 * i / dim);
        }
        Numbers queries = Numbers.poisoned(format, rows * heads * dim);
        Numbers arena = Numbers.poisoned(format, blocks * layers * 2 * kvHeads * blockSize * dim);
        float eps = 1e-6f;
        gpu.launch(
                "rope_and_cache" + suffix(format),
                rows,
                (all * dim + 1023) / 1024,
                1,
                128,
                0,
                queries,
                arena,
                qkv,
                bias,
                queryNorm,
                keyNorm,
                Numbers.floats(frequencies),
                Numbers.ints(positions),
                Numbers.ints(slots),
                layer,
                heads,
                layers,
                kvHeads,
                blockSize,
                dim,
                eps);
        double[] expectedQueries = new double[queries.count];
        double[] expectedArena = new double[arena.count];
        boolean[] written = new boolean[arena.count];
        for (int row = 0; row < rows; row++) {
            for (int head = 0; head < all; head++) {
                boolean isQuery = head < heads;
                boolean isValue = head >= heads + kvHeads;
                Numbers norm = isQuery ? queryNorm : isValue ? null : keyNorm;
                double[] x = head(qkv, (row * all + head) * dim, bias, head * dim, norm, dim, eps);
                if (!isValue) {
                    rotate(x, positions[row], frequencies);
                }
                if (isQuery) {
                    System.arraycopy(x, 0, expectedQueries, (row * heads + head) * dim, dim);
                } else if (slots[row] >= 0) {
                    int at = (slots[row] / blockSize * layers + layer) * 2 + (isValue ? 1 : 0);
                    at = (at * kvHeads + (head - heads) % kvHeads) * blockSize + slots[row] % blockSize;
                    for (int i = 0; i < dim; i++) {
                        expectedArena[at * dim + i] = x[i];
                        written[at * dim + i] = true;
                    }
                }
            }
        }
        queries.assertClose(expectedQueries, 2e-5);
        for (int i = 0; i < written.length; i++) {
            assertThat(Double.isNaN(arena.get(i))).as("element %d untouched", i).isEqualTo(!written[i]);
            if (!written[i]) {
                arena.set(i, 0);
            }
        }
        arena.assertClose(expectedArena, 2e-5);
    }

    private static double[] head(Numbers qkv, int at, Numbers bias, int biasAt, Numbers norm, int dim, float eps) {
        double[] x = new double[dim];
        double squares = 0;
        for (int i = 0; i < dim; i++) {
            x[i] = qkv.get(at + i) + (bias == null ? 0 : bias.get(biasAt + i));
            squares += x[i] * x[i];
        }
        for (int i = 0; norm != null && i < dim; i++) {
            x[i] *= norm.get(i) / Math.sqrt(squares / dim + eps);
        }
        return x;
    }

    private static void rotate(double[] x, int position, float[] frequencies) {
        int half = frequencies.length;
        for (int i = 0; i < half; i++) {
            double cosine = Math.cos(position * (double) frequencies[i]);
            double sine = Math.sin(position * (double) frequencies[i]);
            double a = x[i];
            double b = x[i + half];
            x[i] = a * cosine - b * sine;
            x[i + half] = b * cosine + a * sine;
        }
    }

    static String suffix(Format format) {
        return format == Format.BF16 ? "_bf16" : "_fp16";
    }
}
