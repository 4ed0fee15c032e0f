package dev.sluice.executor.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.executor.cuda.Numbers.Format;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Rows in 8 bits, on the emulated GPU: bit for bit what plain loops make of them, alone and behind what they are fused to. */
class EmulatedQuantiseTest {

    private record Quantised(Numbers values, Numbers scales) {}

    private final EmulatedGpu gpu = EmulatedGpu.require();
    private final Random random = new Random(29);

    @ParameterizedTest
    @CsvSource({
        "INT8, BF16, 8", "INT8, FP16, 72", "INT8, BF16, 1048", "INT8, BF16, 32768",
        "E4M3, FP16, 8", "E4M3, BF16, 72", "E4M3, FP16, 1048", "E4M3, BF16, 32768"
    })
    void rowsOfAllKinds(Format to, Format format, int n) {
        int kinds = 8;
        Numbers in = Numbers.random(format, kinds * n, random, 3);
        double largest = format == Format.BF16 ? 0x1.fep127 : 65504;
        double smallest = format == Format.BF16 ? 0x1p-133 : 0x1p-24;
        int huge = random.nextInt(n);
        for (int i = 0; i < n; i++) {
            in.set(n + i, i % 2 == 0 ? 0.0 : -0.0);
            in.set(2 * n + i, i == huge ? -largest : in.get(2 * n + i));
            in.set(3 * n + i, random.nextBoolean() ? largest : -largest);
            in.set(4 * n + i, random.nextInt(5) * smallest);
            in.set(5 * n + i, i == huge ? max(to) : random.nextInt(254) / 2.0 - 63); // scale 1, and half of them ties
            in.set(6 * n + i, i == huge ? smallest : 0);
        }
        assertIs(quantiseRows(to, in, n, block(n)), in, n);
    }

    @ParameterizedTest
    @CsvSource({"INT8, BF16", "INT8, FP16", "E4M3, BF16", "E4M3, FP16"})
    void everyNumberOfSixteenBits(Format to, Format format) {
        int n = 256;
        Numbers in = Numbers.poisoned(format, 128 * n);
        for (int i = 0; i < in.count; i++) {
            short bits = (short) i;
            double value = format == Format.BF16 ? Float.intBitsToFloat(bits << 16) : Float.float16ToFloat(bits);
            in.set(i, Double.isFinite(value) ? value : 0);
        }
        assertIs(quantiseRows(to, in, n, 32), in, n);
    }

    @ParameterizedTest
    @CsvSource({"INT8, BF16", "E4M3, FP16"})
    void aRowDependsOnItselfAlone(Format to, Format format) {
        int n = 1600;
        Numbers in = Numbers.random(format, 3 * n, random, 5);
        Quantised all = quantiseRows(to, in, n, 64);
        for (int row = 0; row < 3; row++) {
            Numbers one = Numbers.poisoned(format, n);
            for (int i = 0; i < n; i++) {
                one.set(i, in.get(row * n + i));
            }
            Quantised alone = quantiseRows(to, one, n, 256);
            assertThat(alone.values.matches(0, all.values, row * n, n)).isTrue();
            assertThat(alone.scales.matches(0, all.scales, row, 1)).isTrue();
        }
    }

    @ParameterizedTest
    @CsvSource({"INT8, BF16", "INT8, FP16", "E4M3, BF16", "E4M3, FP16"})
    void whatIsNoNumberShowsInTheScaleOfItsRow(Format to, Format format) {
        int n = 320;
        double[] bad = {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY};
        Numbers in = Numbers.random(format, 2 * bad.length * n, random, 5);
        for (int i = 0; i < bad.length; i++) {
            in.set(2 * i * n + random.nextInt(n), bad[i]);
        }
        Quantised all = quantiseRows(to, in, n, 32);
        for (int row = 0; row < all.scales.count; row++) {
            assertThat(Double.isFinite(all.scales.get(row))).as("row %d", row).isEqualTo(row % 2 == 1);
        }
    }

    @ParameterizedTest
    @CsvSource({"INT8, BF16, 72", "INT8, FP16, 2056", "E4M3, BF16, 4096", "E4M3, FP16, 576"})
    void normsAreQuantised(Format to, Format format, int hidden) {
        int rows = 3;
        int block = block(hidden);
        float eps = 1e-5f;
        Numbers in = Numbers.random(format, rows * hidden, random, 3);
        for (int i = 0; i < hidden; i++) {
            in.set(hidden + i, 0);
        }
        Numbers weight = Numbers.random(format, hidden, random, 2);
        Numbers normed = Numbers.poisoned(format, rows * hidden);
        String suffix = EmulatedKernelTest.suffix(format);
        gpu.launch("rms_norm" + suffix, rows, 1, 1, block, 0, normed, in, weight, eps, hidden);
        Quantised out = fresh(to, rows, hidden);
        String name = "rms_norm" + suffix(to, format);
        gpu.launch(name, rows, 1, 1, block, 0, out.values, out.scales, in, weight, eps, hidden);
        assertIs(out, normed, hidden);

        Numbers delta = Numbers.random(format, rows * hidden, random, 1);
        Numbers residual = in.copy();
        name = "add_rms_norm" + suffix;
        gpu.launch(name, rows, 1, 1, block, 0, normed, residual, delta, weight, eps, hidden);
        Quantised added = fresh(to, rows, hidden);
        name = "add_rms_norm" + suffix(to, format);
        gpu.launch(name, rows, 1, 1, block, 0, added.values, added.scales, in, delta, weight, eps, hidden);
        assertIs(added, normed, hidden);
        assertThat(in.matches(0, residual, 0, in.count)).as("the residual").isTrue();
    }

    @ParameterizedTest
    @CsvSource({"INT8, BF16, 2056", "INT8, FP16, 72", "E4M3, BF16, 8", "E4M3, FP16, 9000"})
    void gatedRowsAreQuantised(Format to, Format format, int n) {
        Numbers in = Numbers.random(format, 2 * 2 * n, random, 8);
        in.set(0, -1000); // exp overflows
        Numbers gated = Numbers.poisoned(format, 2 * n);
        String name = "silu_mul" + EmulatedKernelTest.suffix(format);
        gpu.launch(name, 1, (n + 2047) / 2048, 1, 256, 0, gated, in, 2, n);
        Quantised out = fresh(to, 2, n);
        name = "silu_mul" + suffix(to, format);
        gpu.launch(name, 2, 1, 1, block(n), 0, out.values, out.scales, in, n);
        assertIs(out, gated, n);
    }

    /** Shapes of no particular kind; {@code -Dkernel.cases=1000} tries more of them. */
    @Test
    void rowsOfAnyLength() {
        for (int i = 0; i < Integer.getInteger("kernel.cases", 20); i++) {
            Format to = random.nextBoolean() ? Format.INT8 : Format.E4M3;
            Format format = random.nextBoolean() ? Format.BF16 : Format.FP16;
            int n = 8 * (1 + random.nextInt(random.nextInt(4) == 0 ? 4096 : 100));
            Numbers in = Numbers.random(format, 2 * n, random, Math.pow(2, random.nextInt(30) - 15));
            int warps = block(n) / 32;
            assertIs(quantiseRows(to, in, n, 32 * (warps + random.nextInt(33 - warps))), in, n);
            gatedRowsAreQuantised(to, format, n);
        }
    }

    private Quantised quantiseRows(Format to, Numbers in, int n, int block) {
        Quantised out = fresh(to, in.count / n, n);
        String name = "quantise_rows" + suffix(to, in.format);
        gpu.launch(name, in.count / n, 1, 1, block, 0, out.values, out.scales, in, n);
        return out;
    }

    /** The definition, in float: scale = max / 127 or 448, value = round(x / scale). */
    private static void assertIs(Quantised out, Numbers x, int n) {
        Quantised expected = fresh(out.values.format, x.count / n, n);
        for (int row = 0; row < x.count / n; row++) {
            float largest = 0;
            for (int i = 0; i < n; i++) {
                largest = Math.max(largest, (float) Math.abs(x.get(row * n + i)));
            }
            float scale = largest / (float) max(out.values.format);
            expected.scales.set(row, scale);
            for (int i = 0; i < n; i++) {
                expected.values.set(row * n + i, scale == 0 ? 0 : (float) x.get(row * n + i) / scale);
            }
        }
        for (int i = 0; i < x.count; i++) {
            if (!out.values.matches(i, expected.values, i, 1)) {
                throw new AssertionError("row " + i / n + " element " + i % n + ": " + x.get(i) + " is "
                        + out.values.get(i) + ", expected " + expected.values.get(i));
            }
        }
        assertThat(out.scales.matches(0, expected.scales, 0, x.count / n))
                .as("scales")
                .isTrue();
    }

    private static Quantised fresh(Format to, int rows, int n) {
        return new Quantised(Numbers.poisoned(to, rows * n), Numbers.poisoned(Format.F32, rows));
    }

    private static double max(Format format) {
        return format == Format.INT8 ? 127 : E4m3.MAX;
    }

    private static int block(int n) {
        return (n / 8 + 4 * 32 - 1) / (4 * 32) * 32;
    }

    private static String suffix(Format to, Format format) {
        return (to == Format.INT8 ? "_int8" : "_fp8") + EmulatedKernelTest.suffix(format);
    }
}
