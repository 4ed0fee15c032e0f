package dev.sluice.model;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Reads stored numbers of any type as floats, exactly. */
public final class TensorRows {

    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private TensorRows() {}

    /** Copies {@code count} numbers from row {@code row}, where a row is {@code count} long; 8 bits stay unscaled. */
    public static void read(Tensor tensor, long row, float[] target, int count) {
        MemorySegment data = tensor.data();
        long at = row * count * tensor.type().bytes();
        switch (tensor.type()) {
            case F32 -> {
                for (int i = 0; i < count; i++) {
                    target[i] = data.get(FLOAT, at + 4L * i);
                }
            }
            case F16 -> {
                for (int i = 0; i < count; i++) {
                    target[i] = Float.float16ToFloat(data.get(SHORT, at + 2L * i));
                }
            }
            case BF16 -> {
                for (int i = 0; i < count; i++) {
                    target[i] = Float.intBitsToFloat(data.get(SHORT, at + 2L * i) << 16);
                }
            }
            case I8 -> {
                for (int i = 0; i < count; i++) {
                    target[i] = data.get(ValueLayout.JAVA_BYTE, at + i);
                }
            }
            case F8_E4M3 -> {
                for (int i = 0; i < count; i++) {
                    target[i] = Float8.toFloat(data.get(ValueLayout.JAVA_BYTE, at + i));
                }
            }
        }
    }
}
