package dev.sluice.executor.cpu;

import dev.sluice.executor.cpu.PackedMatrix.Format;
import dev.sluice.model.DataType;
import dev.sluice.model.Tensor;
import dev.sluice.model.TensorRows;
import dev.sluice.model.WeightMap;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Turns stored tensors into {@link PackedMatrix}: several tensors become one matrix, so that one pass over the
 * activations serves them all.
 */
final class MatrixPacker {

    private static final int PADDING = -1;

    private final WeightMap weights;
    private final Arena memory;
    private final Workers workers;

    MatrixPacker(WeightMap weights, Arena memory, Workers workers) {
        this.weights = weights;
        this.memory = memory;
        this.workers = workers;
    }

    /** The outputs of all layers, one layer after the other; {@code outputs[i]} belongs to {@code names[i]}. */
    PackedMatrix stack(int inputs, int[] outputs, String... names) {
        int total = Arrays.stream(outputs).sum();
        int pairs = (total + PackedMatrix.PAIR - 1) / PackedMatrix.PAIR;
        Tensor[] tensors = new Tensor[names.length];
        int[] source = new int[pairs * PackedMatrix.PAIR];
        int[] row = new int[source.length];
        Arrays.fill(source, PADDING);
        int next = 0;
        for (int i = 0; i < names.length; i++) {
            tensors[i] = weights.require(names[i] + ".weight", outputs[i], inputs);
            for (int output = 0; output < outputs[i]; output++) {
                source[next] = i;
                row[next++] = output;
            }
        }
        return pack(inputs, pairs, names, tensors, source, row);
    }

    /** Two layers of one shape, panel by panel in turn: each pair holds the same outputs of both. */
    PackedMatrix alternate(int inputs, int outputs, String first, String second) {
        String[] names = {first, second};
        Tensor[] tensors = {
            weights.require(first + ".weight", outputs, inputs), weights.require(second + ".weight", outputs, inputs)
        };
        int pairs = (outputs + PackedMatrix.PANEL - 1) / PackedMatrix.PANEL;
        int[] source = new int[pairs * PackedMatrix.PAIR];
        int[] row = new int[source.length];
        for (int i = 0; i < source.length; i++) {
            row[i] = i / PackedMatrix.PAIR * PackedMatrix.PANEL + i % PackedMatrix.PANEL;
            source[i] = row[i] < outputs ? i / PackedMatrix.PANEL % 2 : PADDING;
        }
        return pack(inputs, pairs, names, tensors, source, row);
    }

    /** A vector, as floats. */
    float[] vector(String name, int length) {
        float[] values = new float[length];
        TensorRows.read(weights.require(name, length), 0, values, length);
        return values;
    }

    private PackedMatrix pack(int inputs, int pairs, String[] names, Tensor[] tensors, int[] source, int[] row) {
        Format format = format(tensors);
        float[][] scales = new float[tensors.length][];
        float[][] biases = new float[tensors.length][];
        boolean scaled = false;
        boolean shifted = false;
        for (int i = 0; i < tensors.length; i++) {
            int outputs = Math.toIntExact(tensors[i].shape()[0]);
            scales[i] = scales(tensors[i], outputs);
            biases[i] = biases(names[i], outputs);
            scaled |= tensors[i].type().isScaled() && format != Format.F32;
            shifted |= weights.find(names[i] + ".bias") != null;
        }
        int width = PackedMatrix.paddedInputs(inputs);
        MemorySegment data = memory.allocate(PackedMatrix.bytes(format, inputs, pairs), 64);
        float[][] buffers = new float[workers.threads()][width];
        workers.run(2 * pairs, (worker, panel) -> {
            float[] buffer = buffers[worker];
            for (int lane = 0; lane < PackedMatrix.PANEL; lane++) {
                int output = panel * PackedMatrix.PANEL + lane;
                Arrays.fill(buffer, 0);
                if (source[output] != PADDING) {
                    TensorRows.read(tensors[source[output]], row[output], buffer, inputs);
                    if (format == Format.F32) {
                        multiply(buffer, scales[source[output]][row[output]]);
                    }
                }
                put(format, data, panel, lane, buffer);
            }
        });
        if (!scaled && !shifted) {
            return new PackedMatrix(format, inputs, pairs, data, null, null);
        }
        float[] one = {1};
        float[] outputScales = gather(source, row, scaled ? scales : null, one[0]);
        return new PackedMatrix(format, inputs, pairs, data, outputScales, gather(source, row, biases, 0));
    }

    /** Mixed tensors meet in F32; F16 has no exact shorter form, so it goes there too. BF16 holds every FP8 exactly. */
    private static Format format(Tensor[] tensors) {
        DataType type = tensors[0].type();
        for (Tensor tensor : tensors) {
            if (tensor.type() != type) {
                return Format.F32;
            }
        }
        return switch (type) {
            case BF16, F8_E4M3 -> Format.BF16;
            case I8 -> Format.I8;
            case F16, F32 -> Format.F32;
        };
    }

    private float[] scales(Tensor tensor, int outputs) {
        float[] scales = new float[outputs];
        Arrays.fill(scales, 1);
        if (tensor.type().isScaled()) {
            TensorRows.read(weights.require(tensor.name() + "_scale", outputs, 1), 0, scales, outputs);
        }
        return scales;
    }

    private float[] biases(String name, int outputs) {
        return weights.find(name + ".bias") == null ? new float[outputs] : vector(name + ".bias", outputs);
    }

    private static float[] gather(int[] source, int[] row, float @Nullable [][] values, float otherwise) {
        float[] gathered = new float[source.length];
        for (int i = 0; i < source.length; i++) {
            gathered[i] = values == null || source[i] == PADDING ? otherwise : values[source[i]][row[i]];
        }
        return gathered;
    }

    private static void multiply(float[] values, float factor) {
        for (int i = 0; i < values.length; i++) {
            values[i] *= factor;
        }
    }

    private static void put(Format format, MemorySegment data, int panel, int lane, float[] values) {
        int words = values.length / format.inputsPerWord;
        long at = ((long) panel * words * PackedMatrix.PANEL + lane) * Integer.BYTES;
        for (int i = 0; i < words; i++) {
            int k = i * format.inputsPerWord;
            int word = switch (format) {
                case F32 -> Float.floatToRawIntBits(values[k]);
                case BF16 -> half(values[k]) | (half(values[k + 1]) << 16);
                case I8 ->
                    stored(values[k])
                            | (stored(values[k + 1]) << 8)
                            | (stored(values[k + 2]) << 16)
                            | (stored(values[k + 3]) << 24);
            };
            data.set(PackedMatrix.WORD, at + (long) i * PackedMatrix.ROW_BYTES, word);
        }
    }

    private static int half(float value) {
        return Float.floatToRawIntBits(value) >>> 16; // was BF16 or FP8 before: nothing is lost
    }

    private static int stored(float value) {
        return (int) value + 128;
    }
}
