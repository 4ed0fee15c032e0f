package dev.sluice.model;

import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The tensors of all shards of one model, checked to be exactly those that its description needs. */
final class ModelWeights implements WeightMap {

    private static final String SCALE_SUFFIX = "_scale";

    private final Map<String, Tensor> tensors;

    private ModelWeights(Map<String, Tensor> tensors) {
        this.tensors = tensors;
    }

    /** @throws ModelFormatException naming the tensor that is missing, surplus, twice there, or of the wrong shape */
    static ModelWeights of(ModelSpec spec, List<SafetensorsFile> files) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        for (SafetensorsFile file : files) {
            for (Tensor tensor : file.tensors().values()) {
                if (tensors.put(tensor.name(), tensor) != null) {
                    throw new ModelFormatException("tensor " + tensor.name() + " is in two files");
                }
            }
        }
        // Old exports carry the rotary frequencies, which are computed; tied models sometimes carry the head again.
        tensors.keySet().removeIf(name -> name.endsWith("rotary_emb.inv_freq"));
        if (spec.tiedEmbeddings()) {
            tensors.remove("lm_head.weight");
        }
        ModelWeights weights = new ModelWeights(Collections.unmodifiableMap(tensors));
        weights.check(spec);
        return weights;
    }

    @Override
    public Set<String> names() {
        return tensors.keySet();
    }

    @Override
    public @Nullable Tensor find(String name) {
        return tensors.get(name);
    }

    @Override
    public Tensor require(String name, long... shape) {
        Tensor tensor = tensors.get(name);
        if (tensor == null) {
            throw new ModelFormatException("tensor " + name + " is missing");
        }
        if (!Arrays.equals(tensor.shape(), shape)) {
            throw new ModelFormatException("tensor " + name + " has shape " + Arrays.toString(tensor.shape())
                    + ", the configuration asks for " + Arrays.toString(shape));
        }
        return tensor;
    }

    private void check(ModelSpec spec) {
        Map<String, long[]> expected = expectedShapes(spec);
        expected.forEach((name, shape) -> {
            Tensor tensor = require(name, shape);
            if (tensor.type() == DataType.I8) {
                if (shape.length != 2) {
                    throw new ModelFormatException("tensor " + name + " is int8, but only linear layers can be");
                }
                Tensor scale = require(name + SCALE_SUFFIX, shape[0], 1);
                if (scale.type() == DataType.I8) {
                    throw new ModelFormatException("tensor " + scale.name() + " must have a floating-point type");
                }
            }
        });
        for (String name : tensors.keySet()) {
            String base = name.endsWith(SCALE_SUFFIX) ? name.substring(0, name.length() - SCALE_SUFFIX.length()) : name;
            Tensor owner = tensors.get(base);
            boolean scaleOfInt8 = !base.equals(name) && owner != null && owner.type() == DataType.I8;
            if (!expected.containsKey(name) && !scaleOfInt8) {
                throw new ModelFormatException(
                        "tensor " + name + " is not part of a " + spec.family() + " model as config.json describes it");
            }
        }
    }

    private static Map<String, long[]> expectedShapes(ModelSpec spec) {
        long hidden = spec.hiddenSize();
        long queries = (long) spec.heads() * spec.headDim();
        long keys = (long) spec.kvHeads() * spec.headDim();
        long inner = spec.intermediateSize();
        Map<String, long[]> shapes = new LinkedHashMap<>();
        shapes.put("model.embed_tokens.weight", new long[] {spec.vocabularySize(), hidden});
        for (int layer = 0; layer < spec.layers(); layer++) {
            String prefix = "model.layers." + layer + ".";
            shapes.put(prefix + "input_layernorm.weight", new long[] {hidden});
            shapes.put(prefix + "post_attention_layernorm.weight", new long[] {hidden});
            shapes.put(prefix + "self_attn.q_proj.weight", new long[] {queries, hidden});
            shapes.put(prefix + "self_attn.k_proj.weight", new long[] {keys, hidden});
            shapes.put(prefix + "self_attn.v_proj.weight", new long[] {keys, hidden});
            shapes.put(prefix + "self_attn.o_proj.weight", new long[] {hidden, queries});
            if (spec.qkvBias()) {
                shapes.put(prefix + "self_attn.q_proj.bias", new long[] {queries});
                shapes.put(prefix + "self_attn.k_proj.bias", new long[] {keys});
                shapes.put(prefix + "self_attn.v_proj.bias", new long[] {keys});
            }
            if (spec.qkNorm()) {
                shapes.put(prefix + "self_attn.q_norm.weight", new long[] {spec.headDim()});
                shapes.put(prefix + "self_attn.k_norm.weight", new long[] {spec.headDim()});
            }
            shapes.put(prefix + "mlp.gate_proj.weight", new long[] {inner, hidden});
            shapes.put(prefix + "mlp.up_proj.weight", new long[] {inner, hidden});
            shapes.put(prefix + "mlp.down_proj.weight", new long[] {hidden, inner});
        }
        shapes.put("model.norm.weight", new long[] {hidden});
        if (!spec.tiedEmbeddings()) {
            shapes.put("lm_head.weight", new long[] {spec.vocabularySize(), hidden});
        }
        return shapes;
    }
}
