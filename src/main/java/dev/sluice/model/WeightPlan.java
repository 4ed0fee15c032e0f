package dev.sluice.model;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/** The tensors that a model needs, by name, and the check that exactly those are there. */
final class WeightPlan {

    /** How a tensor is used, which decides the types it may have. */
    private enum Use {
        /** Norms, biases and embeddings: any floating-point type. */
        PLAIN,
        /** Weights of linear layers: floating-point, or in a quantized model its 8 bits with scales. */
        LINEAR
    }

    @SuppressWarnings("ArrayRecordComponent") // compared by content where it matters
    private record Need(Use use, long[] shape) {}

    private static final String SCALE_SUFFIX = "_scale";

    private final SequencedMap<String, Need> needs = new LinkedHashMap<>();
    private final @Nullable DataType quantized;
    private final boolean tied;

    private WeightPlan(ModelConfig config) {
        this.quantized = config.spec().quantization().weights();
        this.tied = config.spec().tiedEmbeddings();
    }

    static WeightPlan of(ModelConfig config) {
        WeightPlan plan = new WeightPlan(config);
        ModelSpec spec = config.spec();
        plan.plain("model.embed_tokens.weight", spec.vocabularySize(), spec.hiddenSize());
        for (int layer = 0; layer < spec.layers(); layer++) {
            plan.layer("model.layers." + layer + ".", spec);
        }
        plan.plain("model.norm.weight", spec.hiddenSize());
        if (!spec.tiedEmbeddings()) {
            plan.linear("lm_head.weight", spec.vocabularySize(), spec.hiddenSize());
        }
        return plan;
    }

    private void layer(String layer, ModelSpec spec) {
        long hidden = spec.hiddenSize();
        long queries = (long) spec.heads() * spec.headDim();
        long keys = (long) spec.kvHeads() * spec.headDim();
        plain(layer + "input_layernorm.weight", hidden);
        String attention = layer + "self_attn.";
        linear(attention + "q_proj.weight", queries, hidden);
        linear(attention + "k_proj.weight", keys, hidden);
        linear(attention + "v_proj.weight", keys, hidden);
        linear(attention + "o_proj.weight", hidden, queries);
        if (spec.qkvBias()) {
            plain(attention + "q_proj.bias", queries);
            plain(attention + "k_proj.bias", keys);
            plain(attention + "v_proj.bias", keys);
        }
        if (spec.qkNorm()) {
            plain(attention + "q_norm.weight", spec.headDim());
            plain(attention + "k_norm.weight", spec.headDim());
        }
        plain(layer + "post_attention_layernorm.weight", hidden);
        linear(layer + "mlp.gate_proj.weight", spec.intermediateSize(), hidden);
        linear(layer + "mlp.up_proj.weight", spec.intermediateSize(), hidden);
        linear(layer + "mlp.down_proj.weight", hidden, spec.intermediateSize());
    }

    private void plain(String name, long... shape) {
        needs.put(name, new Need(Use.PLAIN, shape));
    }

    private void linear(String name, long... shape) {
        needs.put(name, new Need(Use.LINEAR, shape));
    }

    /** All tensors that the model needs, with their shapes. */
    SequencedMap<String, long[]> shapes() {
        SequencedMap<String, long[]> shapes = new LinkedHashMap<>();
        needs.forEach((name, need) -> shapes.put(name, need.shape()));
        return shapes;
    }

    /**
     * The tensors of the model, checked one by one.
     *
     * @param unserved tensors of types that no executor computes with: name to type
     * @throws ModelFormatException naming the tensor that is missing, surplus, or of another type or shape
     */
    WeightMap verify(Map<String, Tensor> found, Map<String, String> unserved) {
        SequencedMap<String, Tensor> used = new LinkedHashMap<>();
        for (Map.Entry<String, Need> need : needs.entrySet()) {
            String name = need.getKey();
            if (unserved.containsKey(name)) {
                throw wrongType(name, unserved.get(name));
            }
            Tensor tensor = take(name, found, used);
            checkShape(tensor, need.getValue().shape());
            if (tensor.type().isScaled()) {
                if (need.getValue().use() == Use.PLAIN || tensor.type() != quantized) {
                    throw wrongType(name, tensor.type().name());
                }
                Tensor scale = take(name + SCALE_SUFFIX, found, used);
                checkShape(scale, need.getValue().shape()[0], 1);
                if (scale.type().isScaled()) {
                    throw wrongType(scale.name(), scale.type().name());
                }
            }
        }
        found.keySet().stream().filter(name -> !used.containsKey(name)).forEach(this::refuseSurplus);
        unserved.keySet().forEach(this::refuseSurplus);
        return new TensorTable(used);
    }

    private static Tensor take(String name, Map<String, Tensor> found, Map<String, Tensor> used) {
        Tensor tensor = found.get(name);
        if (tensor == null) {
            throw TensorTable.missing(name);
        }
        used.put(name, tensor);
        return tensor;
    }

    private static void checkShape(Tensor tensor, long... shape) {
        if (!Arrays.equals(tensor.shape(), shape)) {
            throw TensorTable.wrongShape(tensor, shape);
        }
    }

    private void refuseSurplus(String name) {
        // Old checkpoints store the frequencies, and some tied models their head a second time.
        boolean harmless = name.endsWith(".rotary_emb.inv_freq") || (tied && name.equals("lm_head.weight"));
        if (!harmless) {
            throw new ModelFormatException(
                    "Tensor " + Echo.of(name) + " does not belong to the model that config.json describes.");
        }
    }

    private ModelFormatException wrongType(String name, String type) {
        return new ModelFormatException(
                "Tensor " + Echo.of(name) + " is of type " + type + ", but must be F32, F16 or" + " BF16"
                        + (quantized == null ? "." : ", or " + quantized + " if it is the weight of a linear layer."));
    }
}
