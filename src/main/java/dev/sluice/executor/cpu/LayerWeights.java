package dev.sluice.executor.cpu;

import dev.sluice.model.ModelSpec;
import org.jspecify.annotations.Nullable;

/**
 * The weights of one decoder layer, ready to multiply.
 *
 * @param attention queries, keys and values of all heads, stacked
 * @param feedForward gate and up projection, in alternate panels
 */
@SuppressWarnings("ArrayRecordComponent") // read in the inner loops
record LayerWeights(
        float[] attentionNorm,
        PackedMatrix attention,
        float @Nullable [] queryNorm,
        float @Nullable [] keyNorm,
        PackedMatrix attentionOutput,
        float[] feedForwardNorm,
        PackedMatrix feedForward,
        PackedMatrix feedForwardOutput) {

    static LayerWeights load(ModelSpec spec, MatrixPacker packer, int layer) {
        String prefix = "model.layers." + layer + ".";
        String attention = prefix + "self_attn.";
        String feedForward = prefix + "mlp.";
        int hidden = spec.hiddenSize();
        int queries = spec.heads() * spec.headDim();
        int keys = spec.kvHeads() * spec.headDim();
        int inner = spec.intermediateSize();
        boolean normed = spec.qkNorm();
        return new LayerWeights(
                packer.vector(prefix + "input_layernorm.weight", hidden),
                packer.stack(
                        hidden,
                        new int[] {queries, keys, keys},
                        attention + "q_proj",
                        attention + "k_proj",
                        attention + "v_proj"),
                normed ? packer.vector(attention + "q_norm.weight", spec.headDim()) : null,
                normed ? packer.vector(attention + "k_norm.weight", spec.headDim()) : null,
                packer.stack(queries, new int[] {hidden}, attention + "o_proj"),
                packer.vector(prefix + "post_attention_layernorm.weight", hidden),
                packer.alternate(hidden, inner, feedForward + "gate_proj", feedForward + "up_proj"),
                packer.stack(inner, new int[] {hidden}, feedForward + "down_proj"));
    }
}
