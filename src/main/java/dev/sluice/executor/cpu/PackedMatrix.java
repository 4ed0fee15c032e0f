package dev.sluice.executor.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/**
 * The weights of one linear layer in the order in which they are multiplied: panels of 32 outputs, two to a pair.
 *
 * <pre>
 *   panel:  word row 0: output 0, output 1, .. output 31   (128 bytes)
 *           word row 1: ...
 *   word:   F32   one input
 *           BF16  two inputs, the first in the low half
 *           I8    four inputs, the first in the lowest byte, each stored as value + 128 (the layout of VNNI)
 * </pre>
 *
 * <p>Missing outputs and inputs are zeros. Outputs are multiplied by a scale and shifted by a bias where there are any.
 */
final class PackedMatrix {

    /** How a weight is stored; every format stands for exact 32-bit floats. */
    enum Format {
        F32(1),
        BF16(2),
        I8(4);

        final int inputsPerWord;

        Format(int inputsPerWord) {
            this.inputsPerWord = inputsPerWord;
        }
    }

    static final int PANEL = 32;
    static final int PAIR = 2 * PANEL;
    static final int ROW_BYTES = PANEL * Integer.BYTES;
    static final ValueLayout.OfInt WORD = ValueLayout.JAVA_INT;

    private final Format format;
    private final int inputs;
    private final int pairs;
    private final MemorySegment data;
    private final float @Nullable [] scales;
    private final float @Nullable [] shifts;

    /** @param scales one per output, padding included, as {@code shifts}; both or neither */
    PackedMatrix(
            Format format,
            int inputs,
            int pairs,
            MemorySegment data,
            float @Nullable [] scales,
            float @Nullable [] shifts) {
        this.format = format;
        this.inputs = inputs;
        this.pairs = pairs;
        this.data = data;
        this.scales = scales;
        this.shifts = shifts;
    }

    static int paddedInputs(int inputs) {
        return (inputs + 3) & ~3; // a whole word in every format
    }

    static long bytes(Format format, int inputs, int pairs) {
        return 2L * pairs * (paddedInputs(inputs) / format.inputsPerWord) * ROW_BYTES;
    }

    Format format() {
        return format;
    }

    /** Number of inputs including zeros. */
    int width() {
        return paddedInputs(inputs);
    }

    int pairs() {
        return pairs;
    }

    MemorySegment data() {
        return data;
    }

    long panelBytes() {
        return (long) (width() / format.inputsPerWord) * ROW_BYTES;
    }

    /** Applies scale and bias to the raw sums of one panel, 32 floats a row. */
    void finish(TensorOps ops, int panel, float[] sums, int at, int rows) {
        if (scales != null && shifts != null) {
            ops.scaleAndShift(sums, at, rows, scales, shifts, panel * PANEL);
        }
    }

    /** Copies one output's weights: a row of the matrix as the model has it. */
    void row(int output, float[] target, int at) {
        long word = output / PANEL * panelBytes() + output % PANEL * (long) Integer.BYTES;
        float scale = scales == null ? 1 : scales[output];
        for (int input = 0; input < inputs; word += ROW_BYTES) {
            int bits = data.get(WORD, word);
            for (int i = 0; i < format.inputsPerWord && input < inputs; i++) {
                target[at + input++] = decode(format, bits, i) * scale;
            }
        }
    }

    /** The value of one input in a word. */
    static float decode(Format format, int word, int index) {
        return switch (format) {
            case F32 -> Float.intBitsToFloat(word);
            case BF16 -> Float.intBitsToFloat(index == 0 ? word << 16 : word & 0xffff0000);
            case I8 -> ((word >>> (8 * index)) & 0xff) - 128;
        };
    }
}
