package dev.sluice.executor.cuda.weights;

import dev.sluice.executor.cuda.kernels.ElementFormat;
import dev.sluice.executor.cuda.kernels.Epilogue;
import dev.sluice.executor.cuda.products.DeviceMatrix;
import dev.sluice.model.ModelSpec;
import java.util.Arrays;

/**
 * A decoder's weights on the device: matrices are [out, in], as checkpoints have them, vectors are addresses.
 *
 * <p>Where tensor parallelism begins: a rank would place its own rows of {@code qkv} and {@code gateUp} (whole heads, a
 * share of the gates) and its own columns of {@code attentionOutput} and {@code down}, and add up after those two.
 *
 * @param embedding in 16 bits, like {@code head}, which is the same if they are tied
 */
@SuppressWarnings("ArrayRecordComponent") // read in every step
public record CudaWeights(DeviceMatrix embedding, Layer[] layers, long norm, DeviceMatrix head) {

    /**
     * One decoder layer.
     *
     * @param qkv queries, keys and values of all heads, stacked
     * @param qkvBias 0 if there is none; likewise the norms of queries and keys
     * @param gateUp gates, then ups; with a fused gate in turn, as {@link Epilogue#SILU_MUL} needs them
     * @param fusedGate the product with {@code gateUp} computes the gate too
     */
    public record Layer(
            long attentionNorm,
            DeviceMatrix qkv,
            long qkvBias,
            long queryNorm,
            long keyNorm,
            DeviceMatrix attentionOutput,
            long feedForwardNorm,
            DeviceMatrix gateUp,
            boolean fusedGate,
            DeviceMatrix down) {}

    /** @param fusedGates the device has products that compute the gate too, in 16 bits */
    public static CudaWeights place(ModelSpec spec, WeightTable table, boolean fusedGates) {
        int hidden = spec.hiddenSize();
        int vocabulary = spec.vocabularySize();
        DeviceMatrix embedding = table.half("model.embed_tokens.weight", vocabulary, hidden);
        Layer[] layers = new Layer[spec.layers()];
        for (int i = 0; i < layers.length; i++) {
            layers[i] = layer(spec, table, "model.layers." + i + ".", fusedGates);
        }
        long norm = table.vector("model.norm.weight", hidden);
        DeviceMatrix head = spec.tiedEmbeddings() ? embedding : table.half("lm_head.weight", vocabulary, hidden);
        return new CudaWeights(embedding, layers, norm, head);
    }

    /** True if gates and ups of any layer have to be kept until another kernel takes them. */
    public boolean hasSeparateGates() {
        return Arrays.stream(layers).anyMatch(layer -> !layer.fusedGate());
    }

    private static Layer layer(ModelSpec spec, WeightTable table, String prefix, boolean fusedGates) {
        int hidden = spec.hiddenSize();
        int inner = spec.intermediateSize();
        int queries = spec.heads() * spec.headDim();
        int keys = spec.kvHeads() * spec.headDim();
        String attention = prefix + "self_attn.";
        String gate = prefix + "mlp.gate_proj.weight";
        String up = prefix + "mlp.up_proj.weight";
        String down = prefix + "mlp.down_proj.weight";
        // The next product may need the results in 8 bits, with a scale that only a whole row gives.
        boolean fusedGate =
                fusedGates && table.format(gate, up) == ElementFormat.HALF && table.format(down) == ElementFormat.HALF;
        return new Layer(
                table.vector(prefix + "input_layernorm.weight", hidden),
                table.linear(
                        hidden,
                        new int[] {queries, keys, keys},
                        attention + "q_proj.weight",
                        attention + "k_proj.weight",
                        attention + "v_proj.weight"),
                spec.qkvBias()
                        ? table.vectors(
                                new String[] {
                                    attention + "q_proj.bias", attention + "k_proj.bias", attention + "v_proj.bias"
                                },
                                new int[] {queries, keys, keys})
                        : 0,
                spec.qkNorm() ? table.vector(attention + "q_norm.weight", spec.headDim()) : 0,
                spec.qkNorm() ? table.vector(attention + "k_norm.weight", spec.headDim()) : 0,
                table.linear(queries, new int[] {hidden}, attention + "o_proj.weight"),
                table.vector(prefix + "post_attention_layernorm.weight", hidden),
                fusedGate
                        ? table.interleaved(hidden, inner, gate, up)
                        : table.linear(hidden, new int[] {inner, inner}, gate, up),
                fusedGate,
                table.linear(inner, new int[] {hidden}, down));
    }
}
