package dev.sluice.executor.cuda.weights;

import dev.sluice.executor.cuda.products.DeviceMatrix;
import dev.sluice.model.ModelSpec;

/**
 * A decoder's weights on the device: matrices are [out, in], as checkpoints have them, vectors are addresses.
 *
 * <p>The door for tensor parallelism: a rank would place its own rows of {@code qkv} and {@code gateUp} (whole heads, a
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
     * @param gateUp gates, then ups
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
            DeviceMatrix down) {}

    public static CudaWeights place(ModelSpec spec, WeightTable table) {
        int hidden = spec.hiddenSize();
        int vocabulary = spec.vocabularySize();
        DeviceMatrix embedding = table.half("model.embed_tokens.weight", vocabulary, hidden);
        Layer[] layers = new Layer[spec.layers()];
        for (int i = 0; i < layers.length; i++) {
            layers[i] = layer(spec, table, "model.layers." + i + ".");
        }
        long norm = table.vector("model.norm.weight", hidden);
        DeviceMatrix head = spec.tiedEmbeddings() ? embedding : table.half("lm_head.weight", vocabulary, hidden);
        return new CudaWeights(embedding, layers, norm, head);
    }

    private static Layer layer(ModelSpec spec, WeightTable table, String prefix) {
        int hidden = spec.hiddenSize();
        int inner = spec.intermediateSize();
        int queries = spec.heads() * spec.headDim();
        int keys = spec.kvHeads() * spec.headDim();
        String attention = prefix + "self_attn.";
        String feedForward = prefix + "mlp.";
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
                table.linear(
                        hidden,
                        new int[] {inner, inner},
                        feedForward + "gate_proj.weight",
                        feedForward + "up_proj.weight"),
                table.linear(inner, new int[] {hidden}, feedForward + "down_proj.weight"));
    }
}
