package dev.sluice.executor.cpu;

import dev.sluice.model.ModelSpec;

/**
 * All weights of a decoder, copied out of their files.
 *
 * @param embedding one output per token; the same object as {@code head} if they are tied
 */
@SuppressWarnings("ArrayRecordComponent") // read in the inner loops
record DecoderWeights(PackedMatrix embedding, LayerWeights[] layers, float[] norm, PackedMatrix head) {

    static DecoderWeights load(ModelSpec spec, MatrixPacker packer) {
        int[] vocabulary = {spec.vocabularySize()};
        PackedMatrix embedding = packer.stack(spec.hiddenSize(), vocabulary, "model.embed_tokens");
        LayerWeights[] layers = new LayerWeights[spec.layers()];
        for (int i = 0; i < layers.length; i++) {
            layers[i] = LayerWeights.load(spec, packer, i);
        }
        float[] norm = packer.vector("model.norm.weight", spec.hiddenSize());
        PackedMatrix head = spec.tiedEmbeddings() ? embedding : packer.stack(spec.hiddenSize(), vocabulary, "lm_head");
        return new DecoderWeights(embedding, layers, norm, head);
    }
}
