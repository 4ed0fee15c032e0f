package dev.sluice.executor.cuda;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;

/** An array in a kernel's memory, with poisoned margins on both sides. Fresh ones are all bits set: NaN, or -1. */
final class Numbers {

    /** How an element is stored. */
    enum Format {
        INT8(1),
        E4M3(1),
        BF16(2),
        FP16(2),
        F32(4),
        INT(4),
        LONG(8);

        final int bytes;

        Format(int bytes) {
            this.bytes = bytes;
        }
    }

    /** Bytes before and behind the array. */
    static final int MARGIN = 256;

    private static final byte POISON = (byte) 0xff;

    private final MemorySegment all;
    private final MemorySegment inner;
    final Format format;
    final int count;

    private Numbers(Format format, int count) {
        this.format = format;
        this.count = count;
        long bytes = (long) count * format.bytes;
        all = Arena.ofAuto().allocate(bytes + 2 * MARGIN, MARGIN);
        all.fill(POISON);
        inner = all.asSlice(MARGIN, bytes);
    }

    static Numbers poisoned(Format format, int count) {
        return new Numbers(format, count);
    }

    /** Evenly in [-size, size]. */
    static Numbers random(Format format, int count, Random random, double size) {
        Numbers numbers = new Numbers(format, count);
        for (int i = 0; i < count; i++) {
            numbers.set(i, (2 * random.nextDouble() - 1) * size);
        }
        return numbers;
    }

    static Numbers ints(int... values) {
        Numbers numbers = new Numbers(Format.INT, values.length);
        MemorySegment.copy(values, 0, numbers.inner, JAVA_INT, 0, values.length);
        return numbers;
    }

    static Numbers longs(long... values) {
        Numbers numbers = new Numbers(Format.LONG, values.length);
        MemorySegment.copy(values, 0, numbers.inner, JAVA_LONG, 0, values.length);
        return numbers;
    }

    static Numbers floats(float... values) {
        Numbers numbers = new Numbers(Format.F32, values.length);
        MemorySegment.copy(values, 0, numbers.inner, JAVA_FLOAT, 0, values.length);
        return numbers;
    }

    Numbers copy() {
        Numbers copy = new Numbers(format, count);
        copy.inner.copyFrom(inner);
        return copy;
    }

    MemorySegment withMargins() {
        return all;
    }

    long address() {
        return inner.address();
    }

    double get(int i) {
        return switch (format) {
            case INT8 -> inner.get(JAVA_BYTE, i);
            case E4M3 -> E4m3.value(inner.get(JAVA_BYTE, i));
            case BF16 -> Float.intBitsToFloat(inner.getAtIndex(JAVA_SHORT, i) << 16);
            case FP16 -> Float.float16ToFloat(inner.getAtIndex(JAVA_SHORT, i));
            case F32 -> inner.getAtIndex(JAVA_FLOAT, i);
            case INT -> inner.getAtIndex(JAVA_INT, i);
            case LONG -> inner.getAtIndex(JAVA_LONG, i);
        };
    }

    int id(int i) {
        return inner.getAtIndex(JAVA_INT, i);
    }

    float[] toFloats(int from, int length) {
        float[] values = new float[length];
        for (int i = 0; i < length; i++) {
            values[i] = (float) get(from + i);
        }
        return values;
    }

    /** Rounds to the nearest, ties to even. */
    void set(int i, double value) {
        switch (format) {
            case INT8 -> inner.set(JAVA_BYTE, i, (byte) Math.rint(value));
            case E4M3 -> inner.set(JAVA_BYTE, i, E4m3.nearest(value));
            case BF16 -> inner.setAtIndex(JAVA_SHORT, i, bfloat16((float) value));
            case FP16 -> inner.setAtIndex(JAVA_SHORT, i, Float.floatToFloat16((float) value));
            case F32 -> inner.setAtIndex(JAVA_FLOAT, i, (float) value);
            case INT -> inner.setAtIndex(JAVA_INT, i, (int) value);
            case LONG -> inner.setAtIndex(JAVA_LONG, i, (long) value);
        }
    }

    private static short bfloat16(float value) {
        int bits = Float.floatToRawIntBits(value);
        return Float.isNaN(value) ? 0x7fff : (short) (bits + 0x7fff + (bits >>> 16 & 1) >>> 16);
    }

    /** True if the elements have the same bits. */
    boolean matches(int from, Numbers other, int otherFrom, int length) {
        long bytes = format.bytes;
        return MemorySegment.mismatch(
                        inner,
                        from * bytes,
                        (from + length) * bytes,
                        other.inner,
                        otherFrom * bytes,
                        (otherFrom + length) * bytes)
                < 0;
    }

    /** Nothing was written beside the array. */
    void checkMargins() {
        long end = all.byteSize() - MARGIN;
        for (int i = 0; i < MARGIN; i++) {
            assertThat(all.get(JAVA_BYTE, i)).as("byte before the array").isEqualTo(POISON);
            assertThat(all.get(JAVA_BYTE, end + i)).as("byte behind the array").isEqualTo(POISON);
        }
    }

    /** Elements are what is expected but for rounding to the format and an absolute error. */
    void assertClose(double[] expected, double error) {
        assertThat(count).isEqualTo(expected.length);
        double ulp = switch (format) {
            case BF16 -> 0x1p-8;
            case FP16 -> 0x1p-11;
            default -> 0x1p-22;
        };
        for (int i = 0; i < count; i++) {
            double value = get(i);
            if (!(Math.abs(value - expected[i]) <= error + ulp * Math.abs(expected[i]))) {
                throw new AssertionError("element " + i + " is " + value + ", expected " + expected[i]);
            }
        }
    }
}
