package dev.sluice.model;

import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.JsonNode;

/** Reads {@code config.json} of the served families into one description; what it cannot describe it refuses. */
final class ModelConfigReader {

    static final String FILE = "config.json";

    private static final Logger log = LoggerFactory.getLogger(ModelConfigReader.class);

    /*
     * Far above every published model, and small enough that no product of two of them leaves 64 bits and no size
     * derived from one is worth an attack.
     */
    private static final int LAYERS_MAX = 1_024;
    private static final int HIDDEN_SIZE_MAX = 1 << 17;
    private static final int INTERMEDIATE_SIZE_MAX = 1 << 20;
    private static final int HEADS_MAX = 1_024;
    private static final int HEAD_DIM_MAX = 1_024;
    private static final int VOCABULARY_MAX = 1 << 22;
    private static final int CONTEXT_MAX = 1 << 24;
    private static final int END_TOKENS_MAX = 64;

    /** What the families differ in beyond their numbers, with the defaults that their configurations leave out. */
    private enum Family {
        LLAMA("llama", false, false, 0, true),
        MISTRAL("mistral", false, false, 0, false),
        QWEN2("qwen2", true, false, 0, true),
        QWEN3("qwen3", false, true, 128, true);

        private final String modelType;
        private final boolean qkvBias;
        private final boolean qkNorm;
        private final int headDim; // if the key is absent; 0 is hidden size / heads, as is an explicit null
        private final boolean windowSwitched; // a window counts only if use_sliding_window is true

        Family(String modelType, boolean qkvBias, boolean qkNorm, int headDim, boolean windowSwitched) {
            this.modelType = modelType;
            this.qkvBias = qkvBias;
            this.qkNorm = qkNorm;
            this.headDim = headDim;
            this.windowSwitched = windowSwitched;
        }
    }

    private final ConfigSection config;

    private ModelConfigReader(ConfigSection config) {
        this.config = config;
    }

    static ModelConfig read(byte[] bytes) {
        return new ModelConfigReader(ConfigSection.of(FILE, bytes)).read();
    }

    private ModelConfig read() {
        if (config.has("auto_map")) {
            log.warn("{}: auto_map is ignored: code named by a model is never loaded", FILE);
        }
        Family family = family();
        refuseUnknownFeatures(family);
        ModelSpec spec = spec(family);
        List<Integer> ends = config.integers("eos_token_id", 0, spec.vocabularySize() - 1, END_TOKENS_MAX);
        return new ModelConfig(spec, ends);
    }

    private Family family() {
        String type = config.text("model_type");
        for (Family family : Family.values()) {
            if (family.modelType.equals(type)) {
                return family;
            }
        }
        throw config.fault(
                "model_type",
                (type == null ? "is missing" : "is " + Echo.of(type))
                        + ", but only llama, mistral, qwen2 and qwen3 are served");
    }

    private void refuseUnknownFeatures(Family family) {
        if (!family.qkvBias) { // Qwen2 has its biases without being asked, and never one on the output
            config.demandAbsent("attention_bias", "a bias on the attention output");
        }
        config.demandAbsent("mlp_bias", "a bias in the feed-forward layers");
        String activation = config.text("hidden_act");
        if (activation != null && !activation.equals("silu")) {
            throw config.fault("hidden_act", "is " + Echo.of(activation) + ", but only silu is served");
        }
        JsonNode architectures = config.find("architectures");
        if (architectures != null && architectures.isArray() && !architectures.isEmpty()) {
            String first = architectures.get(0).asString("");
            if (!first.endsWith("ForCausalLM")) {
                throw config.fault("architectures", "names " + Echo.of(first) + ", which does not generate text");
            }
        }
        for (int rope : config.integers("no_rope_layers", 0, 1, LAYERS_MAX)) {
            if (rope == 0) {
                throw config.fault("no_rope_layers", "has layers without rotary embedding, which cannot be served");
            }
        }
    }

    private ModelSpec spec(Family family) {
        int layers = config.integer("num_hidden_layers", 1, LAYERS_MAX);
        int hiddenSize = config.integer("hidden_size", 1, HIDDEN_SIZE_MAX);
        int heads = config.integer("num_attention_heads", 1, HEADS_MAX);
        int kvHeads = config.integer("num_key_value_heads", 1, heads, heads);
        if (heads % kvHeads != 0) {
            throw config.fault(
                    "num_key_value_heads", "is " + kvHeads + ", which does not divide the " + heads + " heads");
        }
        int contextLength = config.integer("max_position_embeddings", 1, CONTEXT_MAX);
        return new ModelSpec(
                family.modelType,
                layers,
                hiddenSize,
                config.integer("intermediate_size", 1, INTERMEDIATE_SIZE_MAX),
                heads,
                kvHeads,
                headDim(family, hiddenSize, heads),
                config.integer("vocab_size", 1, VOCABULARY_MAX),
                contextLength,
                (float) config.number("rms_norm_eps", 1e-12, 0.1, 1e-6),
                RopeReader.read(config, contextLength),
                SlidingWindowReader.read(config, family.windowSwitched, layers, contextLength),
                family.qkvBias,
                family.qkNorm,
                config.flag("tie_word_embeddings", false),
                QuantizationReader.read(config));
    }

    private int headDim(Family family, int hiddenSize, int heads) {
        int headDim;
        if (config.has("head_dim")) {
            headDim = config.integer("head_dim", 1, HEAD_DIM_MAX);
        } else if (family.headDim > 0 && !config.names().contains("head_dim")) {
            headDim = family.headDim;
        } else if (hiddenSize % heads == 0 && hiddenSize / heads <= HEAD_DIM_MAX) {
            headDim = hiddenSize / heads;
        } else {
            throw config.fault("hidden_size", "is " + hiddenSize + ", which " + heads + " heads cannot share evenly");
        }
        if (headDim % 2 != 0) {
            throw config.fault("head_dim", "is " + headDim + ", but rotary embedding needs an even number");
        }
        return headDim;
    }
}
