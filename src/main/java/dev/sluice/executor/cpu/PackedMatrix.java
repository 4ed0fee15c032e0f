package dev.sluice.executor.cpu;

import dev.sluice.model.DataType;
import dev.sluice.model.ModelFormatException;
import dev.sluice.model.Tensor;
import dev.sluice.model.WeightMap;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The weights of one or more linear layers, {@code [outputs, inputs]}, stored side by side for the kernels.
 *
 * <pre>
 *   panel = 2 vectors of outputs; panels follow one another, each complete over all inputs
 *   F32   [input][output]                     float
 *   BF16  [input][output pair]                int: low half = output j, high half = output j + COUNT
 *   INT8  [input / 4][output][input % 4]      unsigned byte, weight + 128 (the layout of VNNI), one scale per output
 * </pre>
 *
 * <p>Values are kept as stored, never rounded: BF16 and INT8 stay as they are, F16 and F32 become F32. Outputs are
 * padded with zero weights to whole groups of panels, inputs to multiples of four.
 */
final class PackedMatrix {

    /** How values are stored. */
    enum Format {
        F32(4),
        BF16(2),
        INT8(1);

        final int bytes;

        Format(int bytes) {
            this.bytes = bytes;
        }
    }

    static final int INT8_BIAS = 128;

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    final Format format;
    final int inputs;
    final int outputs;
    final int groups;
    final MemorySegment data;
    final float[] scales;

    private PackedMatrix(Format format, int inputs, int outputs, MemorySegment data, float[] scales) {
        this.format = format;
        this.inputs = inputs;
        this.outputs = outputs;
        this.groups = Lanes.padded(outputs) / Lanes.GROUP;
        this.data = data;
        this.scales = scales;
    }

    /** Inputs, padded. */
    int paddedInputs() {
        return paddedInputs(inputs);
    }

    private static int paddedInputs(int inputs) {
        return (inputs + 3) & ~3;
    }

    /** Bytes of one panel. */
    long panelBytes() {
        return (long) paddedInputs() * Lanes.PANEL * format.bytes;
    }

    /** Bytes of all weights, padding and scales included: what one pass over them reads. */
    long sizeBytes() {
        return data.byteSize() + 4L * scales.length;
    }

    /**
     * Packs layers that share their input, one after the other.
     *
     * @param names tensors {@code [out, in]}; int8 ones have a companion {@code name + "_scale"}
     */
    static PackedMatrix pack(WeightMap weights, Arena arena, String... names) {
        Tensor first = tensor(weights, names[0]);
        int inputs = Math.toIntExact(first.shape()[1]);
        Format format = switch (first.type()) {
            case F32, F16 -> Format.F32;
            case BF16 -> Format.BF16;
            case I8 -> Format.INT8;
        };
        int outputs = 0;
        for (String name : names) {
            Tensor tensor = tensor(weights, name);
            if (tensor.type() != first.type() || tensor.shape()[1] != inputs) {
                throw new ModelFormatException("tensor " + name + " differs in type or width from " + names[0]);
            }
            outputs = Math.addExact(outputs, Math.toIntExact(tensor.shape()[0]));
        }
        int padded = Lanes.padded(outputs);
        long bytes = (long) paddedInputs(inputs) * padded * format.bytes;
        MemorySegment data = arena.allocate(bytes, 64);
        float[] scales = format == Format.INT8 ? new float[padded] : new float[0];
        PackedMatrix packed = new PackedMatrix(format, inputs, outputs, data, scales);
        if (format == Format.INT8) {
            data.fill((byte) INT8_BIAS);
        }
        int output = 0;
        for (String name : names) {
            output = packed.add(weights, tensor(weights, name), output);
        }
        return packed;
    }

    private static Tensor tensor(WeightMap weights, String name) {
        Tensor tensor = weights.find(name);
        if (tensor == null || tensor.shape().length != 2) {
            throw new ModelFormatException("tensor " + name + " is missing or not a matrix");
        }
        return tensor;
    }

    private int add(WeightMap weights, Tensor tensor, int firstOutput) {
        int rows = Math.toIntExact(tensor.shape()[0]);
        for (int row = 0; row < rows; row++) {
            int output = firstOutput + row;
            for (int input = 0; input < inputs; input++) {
                put(output, input, tensor, (long) row * inputs + input);
            }
        }
        if (format == Format.INT8) {
            Tensor scale = weights.require(tensor.name() + "_scale", rows, 1);
            for (int row = 0; row < rows; row++) {
                scales[firstOutput + row] = element(scale, row);
            }
        }
        return firstOutput + rows;
    }

    private void put(int output, int input, Tensor source, long index) {
        long panel = output / Lanes.PANEL * panelBytes();
        int lane = output % Lanes.PANEL;
        switch (format) {
            case F32 -> data.set(FLOAT, panel + 4L * ((long) input * Lanes.PANEL + lane), element(source, index));
            case BF16 -> {
                int half = lane / Lanes.COUNT;
                long word = (long) input * Lanes.COUNT + lane % Lanes.COUNT;
                data.set(SHORT, panel + 4 * word + 2L * half, source.data().get(SHORT, 2 * index));
            }
            case INT8 -> {
                long word = (long) (input / 4) * Lanes.PANEL + lane;
                byte weight = source.data().get(ValueLayout.JAVA_BYTE, index);
                data.set(ValueLayout.JAVA_BYTE, panel + 4 * word + input % 4, (byte) (weight + INT8_BIAS));
            }
        }
    }

    /** Reads one weight back, unscaled: what the reference computes with. */
    float weight(int output, int input) {
        long panel = output / Lanes.PANEL * panelBytes();
        int lane = output % Lanes.PANEL;
        return switch (format) {
            case F32 -> data.get(FLOAT, panel + 4L * ((long) input * Lanes.PANEL + lane));
            case BF16 -> {
                long word = (long) input * Lanes.COUNT + lane % Lanes.COUNT;
                yield bfloat16(data.get(SHORT, panel + 4 * word + 2L * (lane / Lanes.COUNT)));
            }
            case INT8 -> {
                long word = (long) (input / 4) * Lanes.PANEL + lane;
                yield Byte.toUnsignedInt(data.get(ValueLayout.JAVA_BYTE, panel + 4 * word + input % 4)) - INT8_BIAS;
            }
        };
    }

    /** One element of a stored floating-point tensor. */
    static float element(Tensor tensor, long index) {
        return switch (tensor.type()) {
            case F32 -> tensor.data().get(FLOAT, 4 * index);
            case F16 -> Float.float16ToFloat(tensor.data().get(SHORT, 2 * index));
            case BF16 -> bfloat16(tensor.data().get(SHORT, 2 * index));
            case I8 -> throw new ModelFormatException("tensor " + tensor.name() + " must not be " + DataType.I8);
        };
    }

    /** All elements of a stored vector. */
    static float[] vector(Tensor tensor) {
        float[] values = new float[Math.toIntExact(tensor.elementCount())];
        for (int i = 0; i < values.length; i++) {
            values[i] = element(tensor, i);
        }
        return values;
    }

    private static float bfloat16(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }
}
