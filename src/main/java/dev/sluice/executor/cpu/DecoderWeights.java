package dev.sluice.executor.cpu;

import dev.sluice.model.ModelSpec;
import dev.sluice.model.Tensor;
import dev.sluice.model.WeightMap;
import java.lang.foreign.Arena;

/** All weights of a decoder, packed for the kernels. Projections with a common input are packed as one matrix. */
final class DecoderWeights {

    /** One transformer layer; absent biases and norms are empty arrays. */
    static final class Layer {
        final float[] inputNorm;
        final PackedMatrix qkv;
        final float[] qkvBias;
        final float[] queryNorm;
        final float[] keyNorm;
        final PackedMatrix output;
        final float[] postNorm;
        final PackedMatrix gateUp;
        final PackedMatrix down;

        Layer(ModelSpec model, WeightMap weights, int index, Arena arena) {
            String prefix = "model.layers." + index + ".";
            String attention = prefix + "self_attn.";
            inputNorm = vector(weights, prefix + "input_layernorm.weight", model.hiddenSize());
            qkv = PackedMatrix.pack(
                    weights,
                    arena,
                    attention + "q_proj.weight",
                    attention + "k_proj.weight",
                    attention + "v_proj.weight");
            qkvBias = model.qkvBias() ? biases(model, weights, attention) : new float[0];
            queryNorm = norm(model, weights, attention + "q_norm.weight");
            keyNorm = norm(model, weights, attention + "k_norm.weight");
            output = PackedMatrix.pack(weights, arena, attention + "o_proj.weight");
            postNorm = vector(weights, prefix + "post_attention_layernorm.weight", model.hiddenSize());
            gateUp = PackedMatrix.pack(weights, arena, prefix + "mlp.gate_proj.weight", prefix + "mlp.up_proj.weight");
            down = PackedMatrix.pack(weights, arena, prefix + "mlp.down_proj.weight");
        }

        private static float[] norm(ModelSpec model, WeightMap weights, String name) {
            return model.qkNorm() ? vector(weights, name, model.headDim()) : new float[0];
        }

        private static float[] biases(ModelSpec model, WeightMap weights, String attention) {
            int queries = model.heads() * model.headDim();
            int keys = model.kvHeads() * model.headDim();
            float[] bias = new float[queries + 2 * keys];
            System.arraycopy(vector(weights, attention + "q_proj.bias", queries), 0, bias, 0, queries);
            System.arraycopy(vector(weights, attention + "k_proj.bias", keys), 0, bias, queries, keys);
            System.arraycopy(vector(weights, attention + "v_proj.bias", keys), 0, bias, queries + keys, keys);
            return bias;
        }

        long sizeBytes() {
            return qkv.sizeBytes() + output.sizeBytes() + gateUp.sizeBytes() + down.sizeBytes();
        }
    }

    final Layer[] layers;
    final float[] finalNorm;
    final PackedMatrix head;
    private final Tensor embedding;
    private final int hiddenSize;

    DecoderWeights(ModelSpec model, WeightMap weights, Arena arena) {
        hiddenSize = model.hiddenSize();
        embedding = weights.require("model.embed_tokens.weight", model.vocabularySize(), hiddenSize);
        layers = new Layer[model.layers()];
        for (int i = 0; i < layers.length; i++) {
            layers[i] = new Layer(model, weights, i, arena);
        }
        finalNorm = vector(weights, "model.norm.weight", hiddenSize);
        head = PackedMatrix.pack(
                weights, arena, model.tiedEmbeddings() ? "model.embed_tokens.weight" : "lm_head.weight");
    }

    /** Writes the embedding of a token; read from the model's own memory, one row at a time. */
    void embed(int token, float[] x, int at) {
        long from = (long) token * hiddenSize;
        for (int i = 0; i < hiddenSize; i++) {
            x[at + i] = PackedMatrix.element(embedding, from + i);
        }
    }

    /** Bytes that one decode step reads of the linear layers. */
    long linearBytes() {
        long bytes = head.sizeBytes();
        for (Layer layer : layers) {
            bytes += layer.sizeBytes();
        }
        return bytes;
    }

    private static float[] vector(WeightMap weights, String name, int size) {
        return PackedMatrix.vector(weights.require(name, size));
    }
}
