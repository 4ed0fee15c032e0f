package dev.sluice.executor.cpu;

/**
 * The plain-Java reference of the kernels: one loop each, in the order that the kernels promise. Tests hold the fast
 * versions against it, bit for bit where addition order matters.
 */
final class ScalarOps {

    private ScalarOps() {}

    /** {@code y[row][output] = x[row] * w[output]}. */
    static void multiply(PackedMatrix w, float[] x, int ldx, int rows, float[] y, int ldy) {
        for (int row = 0; row < rows; row++) {
            for (int output = 0; output < w.outputs; output++) {
                y[row * ldy + output] = w.format == PackedMatrix.Format.INT8
                        ? int8Dot(w, output, x, row * ldx)
                        : dot(w, output, x, row * ldx);
            }
        }
    }

    private static float dot(PackedMatrix w, int output, float[] x, int from) {
        float sum = 0;
        for (int input = 0; input < w.inputs; input++) {
            sum = Math.fma(w.weight(output, input), x[from + input], sum);
        }
        return sum;
    }

    private static float int8Dot(PackedMatrix w, int output, float[] x, int from) {
        float offset = 0;
        for (int input = 0; input < w.inputs; input++) {
            offset += x[from + input];
        }
        float sum = -PackedMatrix.INT8_BIAS * offset;
        for (int input = 0; input < w.inputs; input++) {
            sum = Math.fma(w.weight(output, input) + PackedMatrix.INT8_BIAS, x[from + input], sum);
        }
        return sum * w.scales[output];
    }

    static void rmsNorm(float[] x, int from, int size, float[] weight, float epsilon, float[] y, int to) {
        double sum = 0;
        for (int i = 0; i < size; i++) {
            sum += (double) x[from + i] * x[from + i];
        }
        double inverse = 1 / Math.sqrt(sum / size + epsilon);
        for (int i = 0; i < size; i++) {
            y[to + i] = (float) (x[from + i] * inverse * weight[i]);
        }
    }

    static float swiGlu(float gate, float up) {
        return (float) (gate / (1 + Math.exp(-gate)) * up);
    }
}
