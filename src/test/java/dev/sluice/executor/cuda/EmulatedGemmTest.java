package dev.sluice.executor.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.executor.cuda.Numbers.Format;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Matrix products on the emulated GPU: against sums in double precision, and against each other bit for bit. */
class EmulatedGemmTest {

    private final EmulatedGpu gpu = EmulatedGpu.require();
    private final Random random = new Random(11);

    @ParameterizedTest
    @CsvSource({
        // kernel, format, rows, columns, inputs
        "skinny8, BF16, 1, 64, 64",
        "skinny8, BF16, 3, 7, 8",
        "skinny8, FP16, 8, 65, 1064", // the ring goes round, the last chunk is a quarter
        "skinny8, BF16, 5, 40, 1000",
        "skinny8, BF16, 2, 33, 2080",
        "skinny16, BF16, 9, 30, 72",
        "skinny16, FP16, 16, 37, 1160",
        "64x64, BF16, 64, 64, 256",
        "64x64, BF16, 1, 9, 8",
        "64x64, FP16, 67, 130, 88",
        "128x128, BF16, 128, 128, 160",
        "128x128, BF16, 131, 137, 72",
        "128x128, FP16, 30, 260, 104",
        "128x128, BF16, 2060, 5, 8", // more than a stripe of tiles
        "64x64, BF16, 1100, 70, 8"
    })
    void productsAreSums(String kernel, Format format, int m, int n, int k) {
        Numbers a = Numbers.random(format, m * k, random, 1);
        Numbers w = Numbers.random(format, n * k, random, 1);
        double[] expected = new double[m * n];
        for (int row = 0; row < m; row++) {
            for (int column = 0; column < n; column++) {
                double sum = 0;
                for (int i = 0; i < k; i++) {
                    sum += a.get(row * k + i) * w.get(column * k + i);
                }
                expected[row * n + column] = sum;
            }
        }
        double error = 1e-6 * k;
        run(kernel, format, a, w, m, n, k, format).assertClose(expected, error);
        run(kernel, format, a, w, m, n, k, Format.F32).assertClose(expected, error);
    }

    /** Shapes of no particular kind; {@code -Dkernel.cases=1000} tries more of them. */
    @Test
    void productsOfAnyShape() {
        String[] kernels = {"skinny8", "skinny16", "64x64", "128x128"};
        int[] rowsMax = {8, 16, 200, 300};
        for (int i = 0; i < Integer.getInteger("kernel.cases", 20); i++) {
            int kernel = random.nextInt(kernels.length);
            int m = 1 + random.nextInt(rowsMax[kernel]);
            int n = 1 + random.nextInt(200);
            int k = 8 * (1 + random.nextInt(random.nextInt(4) == 0 ? 200 : 20));
            productsAreSums(kernels[kernel], random.nextBoolean() ? Format.BF16 : Format.FP16, m, n, k);
        }
    }

    @ParameterizedTest
    @CsvSource({"BF16, 72, 1224", "FP16, 66, 40"})
    void aRowHasTheSameBitsWhoeverComputesItAndWithWhom(Format format, int n, int k) {
        int m = 70;
        Numbers a = Numbers.random(format, m * k, random, 1);
        Numbers w = Numbers.random(format, n * k, random, 1);
        Numbers all = run("128x128", format, a, w, m, n, k, Format.F32);
        assertThat(run("64x64", format, a, w, m, n, k, Format.F32).matches(0, all, 0, m * n))
                .isTrue();
        for (int first = 0; first < m; first += 23) {
            for (String kernel : new String[] {"skinny8", "skinny16", "64x64"}) {
                Numbers one = Numbers.poisoned(format, k);
                for (int i = 0; i < k; i++) {
                    one.set(i, a.get(first * k + i));
                }
                assertThat(run(kernel, format, one, w, 1, n, k, Format.F32).matches(0, all, first * n, n))
                        .as(kernel)
                        .isTrue();
            }
        }
        Numbers sixteen = run("skinny16", format, a, w, 16, n, k, Format.F32);
        assertThat(sixteen.matches(0, all, 0, 16 * n)).isTrue();
    }

    private Numbers run(String kernel, Format format, Numbers a, Numbers w, int m, int n, int k, Format result) {
        Numbers c = Numbers.poisoned(result, m * n);
        String name = "gemm_" + kernel + EmulatedKernelTest.suffix(format) + (result == Format.F32 ? "_f32" : "");
        if (kernel.startsWith("skinny")) {
            gpu.launch(name, (n + 31) / 32, 1, 1, 128, 65536, c, a, w, m, n, k);
        } else {
            int tile = kernel.equals("64x64") ? 64 : 128;
            int tiles = (m + tile - 1) / tile * ((n + tile - 1) / tile);
            gpu.launch(name, tiles, 1, 1, 2 * tile, 512 * tile, c, a, w, m, n, k);
        }
        return c;
    }
}
