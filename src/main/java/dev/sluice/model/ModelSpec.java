package dev.sluice.model;

/**
 * One decoder-only transformer, described by parameters: the Llama family and its relatives differ only in these.
 *
 * @param family {@code model_type} of the configuration, for logs
 * @param slidingWindow tokens each position attends to, itself included; 0 is all
 * @param qkvBias query, key and value projections have a bias (Qwen2)
 * @param qkNorm queries and keys are RMS-normalised per head before RoPE (Qwen3)
 * @param tiedEmbeddings the output head is the embedding matrix
 * @param quantization how the checkpoint has its linear layers
 */
public record ModelSpec(
        String family,
        int layers,
        int hiddenSize,
        int intermediateSize,
        int heads,
        int kvHeads,
        int headDim,
        int vocabularySize,
        int contextLength,
        float rmsNormEps,
        RopeSpec rope,
        int slidingWindow,
        boolean qkvBias,
        boolean qkNorm,
        boolean tiedEmbeddings,
        Quantization quantization) {

    /** Query heads that share one key/value head. */
    public int groupSize() {
        return heads / kvHeads;
    }
}
