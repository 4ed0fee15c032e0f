package dev.sluice.executor.cuda;

import dev.sluice.model.ModelSpec;

/**
 * Addresses of a decoder's weights. Matrices are row-major [out, in], as checkpoints have them.
 *
 * <p>The door for tensor parallelism: a rank would place its own rows of {@code qkv} and {@code gateUp} (whole heads, a
 * share of the gates) and its own columns of {@code attentionOutput} and {@code down}, and add up after those two.
 *
 * @param embedding the same address as {@code head} if they are tied
 */
@SuppressWarnings("ArrayRecordComponent") // read in every step
record CudaWeights(long embedding, Layer[] layers, long norm, long head) {

    /**
     * One decoder layer.
     *
     * @param qkv queries, keys and values of all heads, stacked
     * @param qkvBias 0 if there is none; likewise the norms of queries and keys
     * @param gateUp gates, then ups
     */
    record Layer(
            long attentionNorm,
            long qkv,
            long qkvBias,
            long queryNorm,
            long keyNorm,
            long attentionOutput,
            long feedForwardNorm,
            long gateUp,
            long down) {}

    static CudaWeights place(ModelSpec spec, WeightTable table) {
        long hidden = spec.hiddenSize();
        long[] vocabulary = {spec.vocabularySize()};
        long embedding = table.matrices(hidden, vocabulary, "model.embed_tokens.weight");
        Layer[] layers = new Layer[spec.layers()];
        for (int i = 0; i < layers.length; i++) {
            layers[i] = layer(spec, table, "model.layers." + i + ".");
        }
        long norm = table.vector("model.norm.weight", hidden);
        long head = spec.tiedEmbeddings() ? embedding : table.matrices(hidden, vocabulary, "lm_head.weight");
        return new CudaWeights(embedding, layers, norm, head);
    }

    private static Layer layer(ModelSpec spec, WeightTable table, String prefix) {
        long hidden = spec.hiddenSize();
        long inner = spec.intermediateSize();
        long queries = (long) spec.heads() * spec.headDim();
        long keys = (long) spec.kvHeads() * spec.headDim();
        String attention = prefix + "self_attn.";
        String feedForward = prefix + "mlp.";
        return new Layer(
                table.vector(prefix + "input_layernorm.weight", hidden),
                table.matrices(
                        hidden,
                        new long[] {queries, keys, keys},
                        attention + "q_proj.weight",
                        attention + "k_proj.weight",
                        attention + "v_proj.weight"),
                spec.qkvBias()
                        ? table.stack(
                                new String[] {
                                    attention + "q_proj.bias", attention + "k_proj.bias", attention + "v_proj.bias"
                                },
                                new long[][] {{queries}, {keys}, {keys}})
                        : 0,
                spec.qkNorm() ? table.vector(attention + "q_norm.weight", spec.headDim()) : 0,
                spec.qkNorm() ? table.vector(attention + "k_norm.weight", spec.headDim()) : 0,
                table.matrices(queries, new long[] {hidden}, attention + "o_proj.weight"),
                table.vector(prefix + "post_attention_layernorm.weight", hidden),
                table.matrices(
                        hidden,
                        new long[] {inner, inner},
                        feedForward + "gate_proj.weight",
                        feedForward + "up_proj.weight"),
                table.matrices(inner, new long[] {hidden}, feedForward + "down_proj.weight"));
    }
}
