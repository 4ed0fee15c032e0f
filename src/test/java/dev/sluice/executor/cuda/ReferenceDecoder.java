package dev.sluice.executor.cuda;

import dev.sluice.executor.cuda.kernels.ElementFormat;
import dev.sluice.executor.cuda.kernels.HalfType;
import dev.sluice.model.Model;
import dev.sluice.model.ModelSpec;
import dev.sluice.model.Tensor;
import dev.sluice.model.TensorRows;
import dev.sluice.model.WeightMap;
import java.util.Arrays;
import java.util.function.Predicate;

/**
 * The decoder in plain loops, which rounds where the device does: to bf16 between kernels, and rows of 8 bits, each with its
 * scale, before products. Sums are in double, so that it has no order of additions.
 */
final class ReferenceDecoder {

    private final ModelSpec spec;
    private final WeightMap weights;
    private final ElementFormat format;
    private final Predicate<String> quantised;

    /** @param quantised which linear layers are computed in the format; the others are in bf16 */
    ReferenceDecoder(Model model, ElementFormat format, Predicate<String> quantised) {
        spec = model.spec();
        weights = model.weights();
        this.format = format;
        this.quantised = quantised;
    }

    /** Of the token after the last. */
    float[] logits(int[] tokens) {
        float[][] embedding = rows("model.embed_tokens.weight");
        float[][] x = new float[tokens.length][];
        for (int i = 0; i < tokens.length; i++) {
            x[i] = bf16(embedding[tokens[i]].clone());
        }
        for (int layer = 0; layer < spec.layers(); layer++) {
            runLayer("model.layers." + layer + ".", x);
        }
        float[] last = bf16(normalized(x[x.length - 1], vector("model.norm.weight")));
        float[][] head = spec.tiedEmbeddings() ? embedding : rows("lm_head.weight");
        float[] logits = new float[head.length];
        for (int i = 0; i < logits.length; i++) {
            logits[i] = (float) dot(last, bf16(head[i]));
        }
        return logits;
    }

    private void runLayer(String layer, float[][] x) {
        float[] norm = vector(layer + "input_layernorm.weight");
        float[][] normed = map(x, row -> bf16(normalized(row, norm)));
        float[][] queries = heads(layer, "q", normed, spec.heads());
        float[][] keys = heads(layer, "k", normed, spec.kvHeads());
        float[][] values = heads(layer, "v", normed, spec.kvHeads());
        float[][] attended = new float[x.length][];
        for (int i = 0; i < x.length; i++) {
            attended[i] = bf16(attend(queries[i], keys, values, i));
        }
        add(x, products(attended, layer + "self_attn.o_proj.weight"));
        float[] second = vector(layer + "post_attention_layernorm.weight");
        normed = map(x, row -> bf16(normalized(row, second)));
        float[][] gates = products(normed, layer + "mlp.gate_proj.weight");
        float[][] ups = products(normed, layer + "mlp.up_proj.weight");
        for (int i = 0; i < x.length; i++) {
            for (int j = 0; j < gates[i].length; j++) {
                gates[i][j] = (float) (gates[i][j] / (1 + Math.exp(-gates[i][j])) * ups[i][j]);
            }
            bf16(gates[i]);
        }
        add(x, products(gates, layer + "mlp.down_proj.weight"));
    }

    private float[][] heads(String layer, String which, float[][] normed, int heads) {
        String prefix = layer + "self_attn." + which + "_";
        float[][] out = products(normed, prefix + "proj.weight");
        double[] frequencies = spec.rope().frequencies(spec.headDim());
        int dim = spec.headDim();
        for (int position = 0; position < out.length; position++) {
            float[] row = out[position];
            if (spec.qkvBias()) {
                add(row, vector(prefix + "proj.bias"));
            }
            for (int head = 0; head < heads && !which.equals("v"); head++) {
                float[] one = Arrays.copyOfRange(row, head * dim, (head + 1) * dim);
                if (spec.qkNorm()) {
                    one = normalized(one, vector(prefix + "norm.weight"));
                }
                for (int i = 0; i < dim / 2; i++) {
                    double angle = position * frequencies[i];
                    double a = one[i];
                    double b = one[i + dim / 2];
                    row[head * dim + i] = (float) (a * Math.cos(angle) - b * Math.sin(angle));
                    row[head * dim + i + dim / 2] = (float) (b * Math.cos(angle) + a * Math.sin(angle));
                }
            }
            bf16(row);
        }
        return out;
    }

    private float[] attend(float[] queries, float[][] keys, float[][] values, int position) {
        int dim = spec.headDim();
        int first = spec.slidingWindow() == 0 ? 0 : Math.max(0, position + 1 - spec.slidingWindow());
        float[] out = new float[queries.length];
        for (int head = 0; head < spec.heads(); head++) {
            int at = head / spec.groupSize() * dim;
            double[] shares = new double[position + 1];
            double most = Double.NEGATIVE_INFINITY;
            for (int i = first; i <= position; i++) {
                for (int j = 0; j < dim; j++) {
                    shares[i] += queries[head * dim + j] * keys[i][at + j];
                }
                shares[i] /= Math.sqrt(dim);
                most = Math.max(most, shares[i]);
            }
            double sum = 0;
            for (int i = first; i <= position; i++) {
                shares[i] = Math.exp(shares[i] - most);
                sum += shares[i];
            }
            for (int j = 0; j < dim; j++) {
                double value = 0;
                for (int i = first; i <= position; i++) {
                    value += rounded((float) shares[i]) * values[i][at + j];
                }
                out[head * dim + j] = (float) (value / sum);
            }
        }
        return out;
    }

    private float[][] products(float[][] x, String name) {
        float[][] w = rows(name);
        boolean eight = quantised.test(name);
        float[] scales = new float[w.length];
        for (int i = 0; i < w.length; i++) {
            scales[i] = eight ? quantise(w[i]) : 1;
            bf16(w[i]); // changes none of 8 bits
        }
        return map(x, row -> {
            float[] input = row.clone();
            float scale = eight ? quantise(input) : 1;
            float[] out = new float[w.length];
            for (int i = 0; i < out.length; i++) {
                out[i] = (float) dot(input, w[i]) * scale * scales[i];
            }
            return bf16(out);
        });
    }

    /** In place, to values without their scale. */
    private float quantise(float[] row) {
        float most = 0;
        for (float value : row) {
            most = Math.max(most, Math.abs(value));
        }
        float scale = most / (format == ElementFormat.INT8 ? 127 : 448);
        for (int i = 0; i < row.length; i++) {
            float value = scale == 0 ? 0 : row[i] / scale;
            row[i] = (float) (format == ElementFormat.INT8 ? Math.rint(value) : E4m3.value(E4m3.nearest(value)));
        }
        return scale;
    }

    private float[] normalized(float[] row, float[] weight) {
        float scale = (float) (1 / Math.sqrt(dot(row, row) / row.length + spec.rmsNormEps()));
        float[] out = new float[row.length];
        for (int i = 0; i < out.length; i++) {
            out[i] = row[i] * (scale * weight[i]);
        }
        return out;
    }

    private float[] vector(String name) {
        Tensor tensor = weights.require(name, weights.find(name).shape());
        float[] values = new float[(int) tensor.elementCount()];
        TensorRows.read(tensor, 0, values, values.length);
        return bf16(values);
    }

    /** The numbers that a matrix stands for. */
    private float[][] rows(String name) {
        Tensor tensor = weights.find(name);
        float[][] rows = new float[(int) tensor.shape()[0]][(int) tensor.shape()[1]];
        Tensor scale = weights.find(name + "_scale");
        float[] one = {1};
        for (int i = 0; i < rows.length; i++) {
            TensorRows.read(tensor, i, rows[i], rows[i].length);
            if (scale != null) {
                TensorRows.read(scale, i, one, 1);
            }
            for (int j = 0; j < rows[i].length; j++) {
                rows[i][j] *= one[0];
            }
        }
        return rows;
    }

    private static float[] bf16(float[] row) {
        for (int i = 0; i < row.length; i++) {
            row[i] = rounded(row[i]);
        }
        return row;
    }

    private static float rounded(float value) {
        return Float.intBitsToFloat(HalfType.BF16.of(value) << 16);
    }

    private static double dot(float[] a, float[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += (double) a[i] * b[i];
        }
        return sum;
    }

    private static void add(float[] row, float[] more) {
        for (int i = 0; i < row.length; i++) {
            row[i] += more[i];
        }
    }

    private static void add(float[][] x, float[][] delta) {
        for (int i = 0; i < x.length; i++) {
            add(x[i], delta[i]);
            bf16(x[i]);
        }
    }

    private static float[][] map(float[][] rows, java.util.function.UnaryOperator<float[]> function) {
        return Arrays.stream(rows).map(function).toArray(float[][]::new);
    }
}
