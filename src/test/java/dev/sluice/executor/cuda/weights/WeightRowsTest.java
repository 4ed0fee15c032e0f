package dev.sluice.executor.cuda.weights;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.executor.cuda.E4m3;
import dev.sluice.executor.cuda.kernels.ElementFormat;
import dev.sluice.executor.cuda.kernels.HalfType;
import dev.sluice.executor.cuda.weights.WeightTable.Part;
import dev.sluice.model.DataType;
import dev.sluice.model.Tensor;
import dev.sluice.model.WeightMap;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What becomes of a tensor's rows on their way to the device. */
class WeightRowsTest {

    private static final int COLUMNS = 48;

    private record Tensors(Map<String, Tensor> tensors) implements WeightMap {
        @Override
        public Set<String> names() {
            return tensors.keySet();
        }

        @Override
        public Tensor find(String name) {
            return tensors.get(name);
        }

        @Override
        public Tensor require(String name, long... shape) {
            assertThat(tensors.get(name).shape()).isEqualTo(shape);
            return tensors.get(name);
        }
    }

    private record Written(byte[] elements, float[] scales) {}

    private static Written write(Map<String, Tensor> tensors, ElementFormat format, int from, int count) {
        long rows = tensors.get("w").shape()[0];
        Part part = new Part(List.of("w"), new long[] {rows, COLUMNS}, 0, format, 0);
        MemorySegment elements = Arena.ofAuto().allocate((long) count * COLUMNS * format.bytes(), 16);
        MemorySegment scales = Arena.ofAuto().allocate(format.isScaled() ? (long) count * Float.BYTES : 0, 16);
        new WeightRows(part, new Tensors(tensors), HalfType.BF16).write(from, count, elements, scales);
        return new Written(elements.toArray(ValueLayout.JAVA_BYTE), scales.toArray(ValueLayout.JAVA_FLOAT));
    }

    private static Tensor floats(String name, float[] values, long... shape) {
        byte[] bytes = new byte[Float.BYTES * values.length];
        MemorySegment.copy(MemorySegment.ofArray(values), 0, MemorySegment.ofArray(bytes), 0, bytes.length);
        return new Tensor(name, DataType.F32, shape, MemorySegment.ofArray(bytes));
    }

    @ParameterizedTest
    @EnumSource(
            value = ElementFormat.class,
            names = {"INT8", "FP8"})
    void eachRowIsQuantisedByItsLargest(ElementFormat format) {
        int rows = 5;
        Random random = new Random(3);
        float[] values = new float[rows * COLUMNS];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian() * (1 + i / COLUMNS * 100);
        }
        for (int i = 0; i < COLUMNS; i++) {
            values[2 * COLUMNS + i] = 0;
            values[3 * COLUMNS + i] = (random.nextInt(379) - 189) * Float.MIN_VALUE;
        }
        values[3 * COLUMNS] = 189 * Float.MIN_VALUE; // a scale of 1.49 of the smallest number cannot be
        Written written = write(Map.of("w", floats("w", values, rows, COLUMNS)), format, 1, rows - 1);
        float largest = format == ElementFormat.INT8 ? 127 : 448;
        for (int row = 1; row < rows; row++) {
            float most = 0;
            for (int i = 0; i < COLUMNS; i++) {
                most = Math.max(most, Math.abs(values[row * COLUMNS + i]));
            }
            float scale = most / largest;
            assertThat(written.scales[row - 1]).isEqualTo(scale);
            for (int i = 0; i < COLUMNS; i++) {
                double value = scale == 0 ? 0 : values[row * COLUMNS + i] / scale;
                byte expected = format == ElementFormat.INT8
                        ? (byte) Math.clamp(Math.rint(value), -127, 127)
                        : E4m3.nearest(value);
                assertThat(written.elements[(row - 1) * COLUMNS + i]).isEqualTo(expected);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"INT8, NaN", "FP8, NaN", "INT8, Infinity", "FP8, -Infinity"})
    void aRowThatIsNoNumberHasNoScale(ElementFormat format, float bad) {
        float[] values = new float[2 * COLUMNS];
        values[7] = bad;
        values[COLUMNS] = 1;
        Written written = write(Map.of("w", floats("w", values, 2, COLUMNS)), format, 0, 2);
        assertThat(Float.isFinite(written.scales[0])).isFalse();
        assertThat(Float.isFinite(written.scales[1])).isTrue();
    }

    @Test
    void whatHasTheFormatIsCopiedWithItsScales() {
        byte[] stored = new byte[3 * COLUMNS];
        new Random(4).nextBytes(stored);
        Tensor w = new Tensor("w", DataType.I8, new long[] {3, COLUMNS}, MemorySegment.ofArray(stored));
        Map<String, Tensor> tensors = Map.of("w", w, "w_scale", floats("w_scale", new float[] {2, 3, 0.5f}, 3, 1));
        Written written = write(tensors, ElementFormat.INT8, 1, 2);
        assertThat(written.elements).isEqualTo(java.util.Arrays.copyOfRange(stored, COLUMNS, 3 * COLUMNS));
        assertThat(written.scales).containsExactly(3, 0.5f);

        MemorySegment half = MemorySegment.ofArray(write(tensors, ElementFormat.HALF, 1, 2).elements);
        for (int i = 0; i < 2 * COLUMNS; i++) {
            float value = stored[COLUMNS + i] * (i < COLUMNS ? 3 : 0.5f);
            assertThat(half.get(ValueLayout.JAVA_SHORT_UNALIGNED, 2L * i)).isEqualTo(HalfType.BF16.of(value));
        }
    }

    /** Groups of eight in turn, whatever piece of them is asked for, copied or converted. */
    @ParameterizedTest
    @CsvSource({"0, 48", "0, 8", "3, 20", "7, 2", "8, 8", "13, 35", "47, 1"})
    void rowsOfTwoTensorsTakeTurns(int from, int count) {
        int rows = 24;
        float[] gates = new float[rows * COLUMNS];
        byte[] ups = new byte[rows * COLUMNS];
        float[] upScales = new float[rows];
        for (int row = 0; row < rows; row++) {
            upScales[row] = 1 + row / 32f;
            for (int i = 0; i < COLUMNS; i++) {
                gates[row * COLUMNS + i] = row + i / 64f;
                ups[row * COLUMNS + i] = (byte) (i - row);
            }
        }
        Tensor up = new Tensor("up", DataType.I8, new long[] {rows, COLUMNS}, MemorySegment.ofArray(ups));
        Map<String, Tensor> tensors = Map.of(
                "gate", floats("gate", gates, rows, COLUMNS),
                "up", up,
                "up_scale", floats("up_scale", upScales, rows, 1));
        Part part = new Part(List.of("gate", "up"), new long[] {rows, COLUMNS}, 0, ElementFormat.HALF, 0);
        assertThat(part.rows()).isEqualTo(2 * rows);
        MemorySegment elements = Arena.ofAuto().allocate(2L * count * COLUMNS, 16);
        MemorySegment scales = Arena.ofAuto().allocate(0, 16);
        new WeightRows(part, new Tensors(tensors), HalfType.BF16).write(from, count, elements, scales);
        for (int i = 0; i < count * COLUMNS; i++) {
            int row = from + i / COLUMNS;
            int source = row / 16 * 8 + row % 8;
            int at = source * COLUMNS + i % COLUMNS;
            float expected = row % 16 < 8 ? gates[at] : ups[at] * upScales[source];
            assertThat(elements.getAtIndex(ValueLayout.JAVA_SHORT, i))
                    .as("element %d of row %d", i % COLUMNS, row)
                    .isEqualTo(HalfType.BF16.of(expected));
        }
    }
}
