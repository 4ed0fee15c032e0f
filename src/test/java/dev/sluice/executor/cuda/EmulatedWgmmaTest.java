package dev.sluice.executor.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sluice.executor.cuda.EmulatedGpu.MatrixMap;
import dev.sluice.executor.cuda.Numbers.Format;
import dev.sluice.executor.cuda.kernels.ProductTile;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The matrix products of sm_90a on the emulated GPU, or on a real one that has them: against sums, and against each other. */
class EmulatedWgmmaTest {

    /** Rows behind those that are asked for: they are NaN, and must not matter. */
    private static final int SPARE_ROWS = 5;

    private final EmulatedGpu gpu = EmulatedGpu.require();
    private final Random random = new Random(13);

    @BeforeEach
    void needsAHopper() {
        assumeTrue(!TestGpu.isReal() || TestGpu.capability() == 90, "the machine's own GPU has no wgmma");
    }

    @ParameterizedTest
    @CsvSource({
        // tile, format, rows, columns, inputs, blocks, rows of a box
        "8x32, BF16, 1, 32, 64, 1, 8",
        "8x32, BF16, 5, 33, 1480, 2, 8", // more than the ring holds
        "8x32, FP16, 8, 104, 1352, 1, 8", // the ring goes round, one block takes all tiles
        "64x32, BF16, 1, 32, 64, 1, 8",
        "64x32, BF16, 3, 7, 8, 1, 8",
        "64x32, FP16, 64, 72, 1352, 1, 64", // the ring goes round, one block takes all tiles, the last stage is not
        // full
        "64x32, BF16, 9, 33, 136, 2, 8",
        "64x64, BF16, 17, 136, 600, 2, 8",
        "64x64, FP16, 65, 70, 72, 4, 64",
        "64x128, BF16, 40, 264, 328, 1, 64",
        "64x128, FP16, 130, 128, 64, 3, 64",
        "128x128, BF16, 128, 128, 448, 1, 64",
        "128x128, FP16, 131, 137, 72, 3, 64",
        "128x128, BF16, 2060, 5, 8, 17, 64", // more than a stripe of tiles
        "128x128_deep, BF16, 128, 128, 448, 1, 64",
        "128x128_deep, FP16, 131, 137, 72, 3, 64",
        "128x192, BF16, 129, 200, 392, 1, 64",
        "128x192, FP16, 100, 400, 72, 3, 64",
        "128x256, BF16, 129, 264, 200, 1, 64",
        "128x256, FP16, 100, 520, 72, 3, 64",
        "128x128_pair, BF16, 128, 256, 896, 1, 64", // the ring goes round
        "128x128_pair, BF16, 129, 520, 456, 1, 64", // an odd number of tiles across; a last row of A for one of the two
        "128x128_pair, FP16, 131, 137, 72, 2, 8",
        "128x128_pair, BF16, 40, 5, 1000, 1, 64", // one tile, and no row of A from the second block
        "128x128_pair, FP16, 2060, 5, 8, 17, 64", // more than a stripe of tiles
        "128x192_pair, BF16, 129, 400, 392, 1, 64",
        "128x192_pair, FP16, 100, 390, 712, 2, 8",
        "128x256_pair, BF16, 129, 264, 328, 1, 64",
        "128x256_pair, FP16, 260, 520, 72, 2, 64"
    })
    void productsAreSums(String tile, Format format, int m, int n, int k, int blocks, int box) {
        Numbers a = withSpareRows(Numbers.random(format, m * k, random, 1), m, k);
        Numbers w = Numbers.random(format, n * k, random, 1);
        double[] expected = new double[m * n];
        for (int i = 0; i < m * n; i++) {
            for (int j = 0; j < k; j++) {
                expected[i] += a.get(i / n * k + j) * w.get(i % n * k + j);
            }
        }
        run(tile, a, w, m, n, k, blocks, box, format).assertClose(expected, 1e-6 * k);
        run(tile, a, w, m, n, k, blocks, box, Format.F32).assertClose(expected, 1e-6 * k);
    }

    /** Shapes of no particular kind; {@code -Dkernel.cases=1000} tries more of them. */
    @Test
    void productsOfAnyShape() {
        for (int i = 0; i < Integer.getInteger("kernel.cases", 20); i++) {
            ProductTile tile = ProductTile.WGMMA.get(random.nextInt(ProductTile.WGMMA.size()));
            int rowsMax = Math.min(tile.rowsMax(), random.nextBoolean() ? 20 : 200);
            int m = 1 + random.nextInt(rowsMax);
            int n = 1 + random.nextInt(300);
            int k = 8 * (1 + random.nextInt(random.nextInt(4) == 0 ? 150 : 20));
            Format format = random.nextBoolean() ? Format.BF16 : Format.FP16;
            int box = tile.rows() == 8 || random.nextBoolean() ? 8 : 64;
            productsAreSums(shortName(tile), format, m, n, k, 1 + random.nextInt(4), box);
        }
    }

    @ParameterizedTest
    @CsvSource({"BF16, 72, 1224", "FP16, 66, 40", "INT8, 72, 2448", "INT8, 66, 80", "E4M3, 72, 2448", "E4M3, 66, 80"})
    void aRowHasTheSameBitsWhoeverComputesItAndWithWhom(Format format, int n, int k) {
        int m = 70;
        double size = format == Format.INT8 ? 127 : 1;
        Numbers a = withSpareRows(Numbers.random(format, m * k, random, size), m, k);
        Numbers w = Numbers.random(format, n * k, random, size);
        Format result = format.bytes == 1 ? Format.BF16 : Format.F32;
        Numbers all = run("128x128", a, w, m, n, k, 2, 64, result);
        for (ProductTile tile : tiles(format)) {
            String name = shortName(tile);
            if (tile.suits(m)) {
                assertThat(run(name, a, w, m, n, k, 3, 64, result).matches(0, all, 0, m * n))
                        .as(name)
                        .isTrue();
            }
            for (int first = 0; first < m; first += 23) {
                for (int count : new int[] {1, Math.min(8, m - first)}) {
                    Numbers few = rows(a, first, count, k);
                    assertThat(run(name, few, w, scales(first, count), count, n, k, 1, 8, result)
                                    .matches(0, all, first * n, count * n))
                            .as("%d rows from %d on by %s", count, first, name)
                            .isTrue();
                }
            }
        }
    }

    /** Every tile, with rows and widths that fill none: the bits are those of a product and the gate's own kernel after it. */
    @ParameterizedTest
    @CsvSource({
        "BF16, 1, 8, 72, 1",
        "FP16, 1, 24, 200, 2",
        "BF16, 7, 40, 1352, 1",
        "FP16, 8, 136, 64, 3",
        "BF16, 67, 104, 136, 2",
        "FP16, 131, 264, 72, 3",
        "BF16, 129, 136, 320, 1"
    })
    void theFusedGateHasTheBitsOfTheGateAfterTheProduct(Format format, int m, int width, int k, int blocks) {
        Numbers a = withSpareRows(Numbers.random(format, m * k, random, 4), m, k);
        a.set(0, format == Format.FP16 ? 60_000 : 1e38); // the first row's sums become infinities and large numbers
        Numbers stacked = Numbers.random(format, 2 * width * k, random, 4);
        Numbers interleaved = Numbers.poisoned(format, stacked.count);
        for (int i = 0; i < stacked.count; i++) {
            int row = i / k;
            int output = row % width;
            int to = output / 8 * 16 + output % 8 + (row < width ? 0 : 8);
            interleaved.set(to * k + i % k, stacked.get(i));
        }
        Numbers gateUp = run("64x128", a, stacked, m, 2 * width, k, blocks, 8, format);
        Numbers expected = Numbers.poisoned(format, m * width);
        String gate = "silu_mul" + EmulatedKernelTest.suffix(format);
        gpu.launch(gate, (m + 1) / 2, (width + 2047) / 2048, 1, 256, 0, expected, gateUp, m, width);
        for (ProductTile tile : ProductTile.WGMMA) {
            if (m <= tile.rowsMax()) {
                String name = shortName(tile);
                Numbers fused = gated(tile, a, interleaved, m, 2 * width, k, blocks);
                for (int i = 0; i < m * width; i++) {
                    assertThat(fused.matches(i, expected, i, 1))
                            .as(
                                    "%s: row %d column %d is %s, not %s",
                                    name, i / width, i % width, fused.get(i), expected.get(i))
                            .isTrue();
                }
                fused.checkMargins();
            }
        }
    }

    private static List<ProductTile> tiles(Format format) {
        return format == Format.E4M3 ? ProductTile.WGMMA_FP8 : ProductTile.WGMMA;
    }

    private static String shortName(ProductTile tile) {
        return tile.name().replace("wgmma_", "");
    }

    private static Numbers rows(Numbers matrix, int first, int count, int columns) {
        Numbers rows = Numbers.poisoned(matrix.format, count * columns);
        for (int i = 0; i < rows.count; i++) {
            rows.set(i, matrix.get(first * columns + i));
        }
        return withSpareRows(rows, count, columns);
    }

    @ParameterizedTest
    @CsvSource({
        "8x32, 8, 40, 3008",
        "64x32, 20, 40, 2000",
        "64x128, 3, 130, 144",
        "128x128_deep, 130, 30, 1040",
        "128x192, 130, 200, 80",
        "128x256, 130, 30, 1040",
        "128x128_pair, 130, 300, 1040",
        "128x192_pair, 130, 200, 80",
        "128x256_pair, 130, 30, 1040"
    })
    void integerSumsAreExact(String tile, int m, int n, int k) {
        Numbers a = withSpareRows(Numbers.random(Format.INT8, m * k, random, 127), m, k);
        Numbers w = Numbers.random(Format.INT8, n * k, random, 127);
        Numbers c = run(tile, a, w, m, n, k, 2, 8, Format.FP16);
        Numbers expected = Numbers.poisoned(Format.FP16, 1);
        for (int i = 0; i < m * n; i++) {
            long sum = 0;
            for (int j = 0; j < k; j++) {
                sum += (long) (a.get(i / n * k + j) * w.get(i % n * k + j));
            }
            expected.set(0, sum * scale(i / n) * scale(i % n));
            assertThat(c.matches(i, expected, 0, 1))
                    .as("row %d column %d", i / n, i % n)
                    .isTrue();
        }
    }

    @ParameterizedTest
    @CsvSource({
        "8x32, 4, 20, 8208",
        "64x32, 4, 20, 8208",
        "64x64, 12, 10, 1008",
        "128x128, 30, 20, 4112",
        "128x128_pair, 30, 20, 4112"
    })
    void floatingSumsLoseNothingOverLongRows(String tile, int m, int n, int k) {
        Numbers a = withSpareRows(Numbers.random(Format.E4M3, m * k, random, 1), m, k);
        Numbers w = Numbers.random(Format.E4M3, n * k, random, 1);
        for (int i = 0; i < k; i++) {
            a.set(i, 1 + random.nextDouble() / 4); // all of one sign, so that its sums grow
            w.set(i, 1 + random.nextDouble() / 4);
        }
        Numbers c = run(tile, a, w, m, n, k, 2, 8, Format.BF16);
        for (int i = 0; i < m * n; i++) {
            double sum = 0;
            double magnitude = 0;
            for (int j = 0; j < k; j++) {
                double product = a.get(i / n * k + j) * w.get(i % n * k + j);
                sum += product;
                magnitude += Math.abs(product);
            }
            double scale = scale(i / n) * scale(i % n);
            // Four instructions of 13 bits a stage, and the rounding to bf16.
            assertThat(Math.abs(c.get(i) - sum * scale))
                    .as("row %d column %d", i / n, i % n)
                    .isLessThanOrEqualTo(scale * (0x1.1p-11 * magnitude + 0x1p-8 * Math.abs(sum)));
        }
    }

    private static Numbers withSpareRows(Numbers matrix, int rows, int columns) {
        Numbers more = Numbers.poisoned(matrix.format, (rows + SPARE_ROWS) * columns);
        for (int i = 0; i < matrix.count; i++) {
            more.set(i, matrix.get(i));
        }
        return more;
    }

    /** Of a row of either operand: a power of two, so that scaling does not round. */
    private static float scale(int row) {
        return Math.scalb(1f, -row % 5 - 6);
    }

    private static Numbers scales(int first, int count) {
        float[] scales = new float[count];
        for (int i = 0; i < count; i++) {
            scales[i] = scale(first + i);
        }
        return Numbers.floats(scales);
    }

    private Numbers run(String tile, Numbers a, Numbers w, int m, int n, int k, int blocks, int box, Format result) {
        return run(tile, a, w, scales(0, m), m, n, k, blocks, box, result);
    }

    private Numbers run(
            String tile,
            Numbers a,
            Numbers w,
            Numbers aScale,
            int m,
            int n,
            int k,
            int blocks,
            int box,
            Format result) {
        Numbers c = Numbers.poisoned(result, m * n);
        ProductTile shape = tiles(a.format).stream()
                .filter(candidate -> shortName(candidate).equals(tile))
                .findFirst()
                .orElseThrow();
        String type = switch (a.format) {
            case INT8 -> "_int8";
            case E4M3 -> "_fp8";
            default -> EmulatedKernelTest.suffix(a.format);
        };
        boolean scaled = a.format.bytes == 1;
        String name = "gemm_wgmma_" + tile + type
                + (scaled ? EmulatedKernelTest.suffix(result) : result == Format.F32 ? "_f32" : "");
        int shared = shape.sharedBytes();
        int threads = shape.threads();
        int grid = blocks * shape.cluster();
        MatrixMap aMap = new MatrixMap(a, a.count / k, k, box);
        MatrixMap wMap = new MatrixMap(w, n, k, 32);
        if (scaled) {
            gpu.launch(name, grid, 1, 1, threads, shared, c, aMap, wMap, aScale, scales(0, n), m, n, k, box);
        } else {
            gpu.launch(name, grid, 1, 1, threads, shared, c, aMap, wMap, m, n, k, box);
        }
        return c;
    }

    private Numbers gated(ProductTile tile, Numbers a, Numbers w, int m, int n, int k, int blocks) {
        Numbers c = Numbers.poisoned(a.format, m * n / 2);
        String name = "gemm_" + tile.name() + EmulatedKernelTest.suffix(a.format) + "_silu_mul";
        int box = m <= 32 ? 8 : 64;
        MatrixMap aMap = new MatrixMap(a, a.count / k, k, box);
        MatrixMap wMap = new MatrixMap(w, n, k, 32);
        int grid = blocks * tile.cluster();
        gpu.launch(name, grid, 1, 1, tile.threads(), tile.sharedBytes(), c, aMap, wMap, m, n, k, box);
        return c;
    }
}
