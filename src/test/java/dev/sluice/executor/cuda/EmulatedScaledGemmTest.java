package dev.sluice.executor.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.executor.cuda.Numbers.Format;
import java.util.Random;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Matrix products of 8 bits on the emulated GPU: bit for bit what plain loops give where sums are exact, else within what
 * tensor cores lose, and the same bits from all kernels.
 */
class EmulatedScaledGemmTest {

    private static final String[] KERNELS = {"skinny8", "skinny16", "64x64", "128x128"};
    private static final Format[] RESULTS = {Format.BF16, Format.FP16, Format.F32};

    /** A product's operands: m rows of a and n rows of w, of k elements, with a scale each. */
    private record Operands(Numbers a, Numbers w, Numbers aScale, Numbers wScale, int m, int n, int k) {}

    private final EmulatedGpu gpu = EmulatedGpu.require();
    private final Random random = new Random(31);

    @ParameterizedTest
    @CsvSource({
        // kernel, format, rows, columns, inputs
        "skinny8, INT8, 1, 64, 64",
        "skinny8, E4M3, 3, 7, 16",
        "skinny8, INT8, 8, 65, 2128", // the ring goes round, the last chunk is a quarter
        "skinny8, E4M3, 5, 40, 2000",
        "skinny16, INT8, 9, 30, 144",
        "skinny16, E4M3, 16, 37, 2000",
        "64x64, INT8, 64, 64, 512",
        "64x64, E4M3, 1, 9, 16",
        "64x64, INT8, 67, 130, 176",
        "128x128, E4M3, 128, 128, 320",
        "128x128, INT8, 131, 137, 144",
        "128x128, E4M3, 30, 260, 208",
        "128x128, INT8, 2060, 5, 16", // more than a stripe of tiles
        "64x64, E4M3, 1100, 70, 16"
    })
    void exactSumsAreScaled(String kernel, Format format, int m, int n, int k) {
        // Whole numbers of e4m3 so small that sums are exact even in the 13 bits of the tensor cores.
        int size = format == Format.INT8 ? 127 : 2;
        Operands x = operands(format, m, n, k, i -> random.nextInt(2 * size + 1) - size);
        for (int i = 0; format == Format.INT8 && i < k; i += 3) {
            x.w.set(i, -128); // checkpoints may have it
        }
        for (Format result : RESULTS) {
            assertExact(run(kernel, x, result), x);
        }
    }

    /** Shapes of no particular kind; {@code -Dkernel.cases=1000} tries more of them. */
    @Test
    void productsOfAnyShape() {
        int[] rowsMax = {8, 16, 200, 300};
        for (int i = 0; i < Integer.getInteger("kernel.cases", 20); i++) {
            int kernel = random.nextInt(KERNELS.length);
            int m = 1 + random.nextInt(rowsMax[kernel]);
            int n = 1 + random.nextInt(200);
            int k = 16 * (1 + random.nextInt(random.nextInt(4) == 0 ? 120 : 20));
            exactSumsAreScaled(KERNELS[kernel], random.nextBoolean() ? Format.INT8 : Format.E4M3, m, n, k);
        }
    }

    /** Sums beyond 24 bits, which a float does not hold, up to the largest that the kernels promise. */
    @ParameterizedTest
    @CsvSource({"skinny8, 2, 9, 131072", "skinny16, 9, 3, 20016", "64x64, 3, 5, 4112", "128x128, 2, 5, 4112"})
    void integerSumsAreExact(String kernel, int m, int n, int k) {
        Operands x = operands(Format.INT8, m, n, k, i -> i < k ? 127 : random.nextInt(255) - 127);
        for (int i = 0; i < k; i++) {
            x.w.set(i, -128);
            x.w.set(k + i, 127 - i % 2);
        }
        assertExact(run(kernel, x, Format.F32), x);
    }

    @ParameterizedTest
    @CsvSource({"skinny8, 4, 20, 8208", "skinny16, 12, 10, 1008", "64x64, 20, 30, 720", "128x128, 30, 20, 8208"})
    void floatingSumsLoseNothingOverLongRows(String kernel, int m, int n, int k) {
        // The second row is all of one sign, so that its sums grow; the third has the extremes.
        Operands x = operands(Format.E4M3, m, n, k, i -> {
            double value = 2 * random.nextDouble() - 1;
            return i / k == 1 ? 1 + value / 4 : i / k == 2 ? (value < 0 ? -448 : i % 3 == 0 ? 0x1p-9 : 448) : value;
        });
        Numbers c = run(kernel, x, Format.F32);
        for (int i = 0; i < m * n; i++) {
            double sum = 0;
            double magnitude = 0;
            for (int j = 0; j < k; j++) {
                double product = x.a.get(i / n * k + j) * x.w.get(i % n * k + j);
                sum += product;
                magnitude += Math.abs(product);
            }
            double scale = x.aScale.get(i / n) * x.wScale.get(i % n);
            assertThat(Math.abs(c.get(i) - sum * scale))
                    .as("row %d column %d", i / n, i % n)
                    .isLessThanOrEqualTo(0x1.1p-12 * magnitude * scale); // two instructions of 13 bits a chunk
        }
    }

    @ParameterizedTest
    @CsvSource({"INT8, 72, 2448", "INT8, 66, 80", "E4M3, 72, 2448", "E4M3, 66, 80"})
    void aRowHasTheSameBitsWhoeverComputesItAndWithWhom(Format format, int n, int k) {
        int m = 70;
        double size = format == Format.INT8 ? 127 : 10;
        Operands x = operands(format, m, n, k, i -> size * (2 * random.nextDouble() - 1));
        for (Format result : RESULTS) {
            Numbers all = run("128x128", x, result);
            assertThat(run("64x64", x, result).matches(0, all, 0, m * n)).isTrue();
            for (int first = 0; first < m; first += 23) {
                Operands one = rows(x, first, 1);
                for (String kernel : KERNELS) {
                    assertThat(run(kernel, one, result).matches(0, all, first * n, n))
                            .as("%s, row %d", kernel, first)
                            .isTrue();
                }
            }
            assertThat(run("skinny16", rows(x, 30, 16), result).matches(0, all, 30 * n, 16 * n))
                    .isTrue();
            assertThat(run("skinny8", rows(x, 62, 8), result).matches(0, all, 62 * n, 8 * n))
                    .isTrue();
        }
    }

    /** What quantise_rows makes of a row of zeros, and of one with NaN. */
    @ParameterizedTest
    @CsvSource({"skinny8, INT8", "skinny16, E4M3", "64x64, E4M3", "128x128, INT8"})
    void rowsWithoutAScale(String kernel, Format format) {
        int n = 33;
        int k = 96;
        Operands x = operands(format, 4, n, k, i -> i < k ? 0 : random.nextInt(5) - 2);
        x.aScale.set(0, 0);
        x.aScale.set(2, Double.NaN);
        Numbers c = run(kernel, x, Format.BF16);
        for (int i = 0; i < n; i++) {
            assertThat(c.get(i)).isZero();
            assertThat(c.get(n + i)).isFinite();
            assertThat(c.get(2 * n + i)).isNaN();
            assertThat(c.get(3 * n + i)).isFinite();
        }
    }

    private Operands operands(Format format, int m, int n, int k, IntToDoubleFunction elements) {
        Numbers a = Numbers.poisoned(format, m * k);
        Numbers w = Numbers.poisoned(format, n * k);
        for (int i = 0; i < a.count; i++) {
            a.set(i, elements.applyAsDouble(i));
        }
        for (int i = 0; i < w.count; i++) {
            w.set(i, elements.applyAsDouble(i));
        }
        return new Operands(a, w, scales(m), scales(n), m, n, k);
    }

    private Numbers scales(int count) {
        float[] scales = new float[count];
        for (int i = 0; i < count; i++) {
            scales[i] = 0.001f + random.nextFloat() / 50;
        }
        return Numbers.floats(scales);
    }

    private static Operands rows(Operands x, int first, int m) {
        Numbers a = Numbers.poisoned(x.a.format, m * x.k);
        Numbers aScale = Numbers.poisoned(Format.F32, m);
        for (int i = 0; i < a.count; i++) {
            a.set(i, x.a.get(first * x.k + i));
        }
        for (int i = 0; i < m; i++) {
            aScale.set(i, x.aScale.get(first + i));
        }
        return new Operands(a, x.w, aScale, x.wScale, m, x.n, x.k);
    }

    /** An exact sum as a float, times one scale, times the other, rounded to the result's format. */
    private static void assertExact(Numbers c, Operands x) {
        Numbers expected = Numbers.poisoned(c.format, 1);
        for (int row = 0; row < x.m; row++) {
            for (int column = 0; column < x.n; column++) {
                long sum = 0;
                for (int i = 0; i < x.k; i++) {
                    sum += (long) (x.a.get(row * x.k + i) * x.w.get(column * x.k + i));
                }
                expected.set(0, sum * (float) x.aScale.get(row) * (float) x.wScale.get(column));
                if (!c.matches(row * x.n + column, expected, 0, 1)) {
                    throw new AssertionError("row " + row + " column " + column + " is " + c.get(row * x.n + column)
                            + ", expected " + expected.get(0));
                }
            }
        }
    }

    private Numbers run(String kernel, Operands x, Format result) {
        Numbers c = Numbers.poisoned(result, x.m * x.n);
        String name = "gemm_" + kernel + (x.a.format == Format.INT8 ? "_int8" : "_fp8")
                + (result == Format.F32 ? "_f32" : EmulatedKernelTest.suffix(result));
        boolean skinny = kernel.startsWith("skinny");
        int tile = kernel.equals("64x64") ? 64 : 128;
        int blocks = skinny ? (x.n + 31) / 32 : (x.m + tile - 1) / tile * ((x.n + tile - 1) / tile);
        int threads = skinny ? 128 : 2 * tile;
        int shared = skinny ? 65536 : 512 * tile;
        gpu.launch(name, blocks, 1, 1, threads, shared, c, x.a, x.w, x.aScale, x.wScale, x.m, x.n, x.k);
        return c;
    }
}
