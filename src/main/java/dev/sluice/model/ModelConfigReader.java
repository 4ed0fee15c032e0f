package dev.sluice.model;

import dev.sluice.model.RopeSpec.Llama3Scaling;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.JsonNode;

/** Reads {@code config.json}: which architecture, in which dimensions. Refuses what would be computed wrongly. */
final class ModelConfigReader {

    private static final Logger LOG = LoggerFactory.getLogger(ModelConfigReader.class);
    private static final Set<String> FAMILIES = Set.of("llama", "mistral", "qwen2", "qwen3");
    private static final int DIMENSION_MAX = 1 << 20; // far above any published model, far below int overflow
    private static final int LAYERS_MAX = 1024;
    private static final int CONTEXT_MAX = 1 << 24;

    private final JsonNode config;

    private ModelConfigReader(JsonNode config) {
        this.config = config;
    }

    /** @throws ModelFormatException naming the key that is missing, out of range or not supported */
    static ModelSpec read(JsonNode config) {
        return new ModelConfigReader(config).spec();
    }

    private ModelSpec spec() {
        String family = config.path("model_type").asString("");
        if (!FAMILIES.contains(family)) {
            throw new ModelFormatException(
                    "config.json has model_type '" + family + "'; supported are llama, mistral, qwen2 and qwen3");
        }
        if (config.has("auto_map")) {
            LOG.warn("config.json names code of its own (auto_map); it is ignored, nothing of it is loaded");
        }
        checkActivation();
        checkQuantization();
        int hidden = positive("hidden_size", DIMENSION_MAX);
        int heads = positive("num_attention_heads", 4096);
        int kvHeads = present("num_key_value_heads") ? positive("num_key_value_heads", 4096) : heads;
        int headDim = headDim(hidden, heads);
        if (heads % kvHeads != 0) {
            throw new ModelFormatException("config.json has num_attention_heads " + heads
                    + ", which num_key_value_heads " + kvHeads + " does not divide");
        }
        return new ModelSpec(
                family,
                positive("num_hidden_layers", LAYERS_MAX),
                hidden,
                positive("intermediate_size", DIMENSION_MAX),
                heads,
                kvHeads,
                headDim,
                positive("vocab_size", 1 << 22),
                positive("max_position_embeddings", CONTEXT_MAX),
                (float) number("rms_norm_eps", 1e-6, 0, 1),
                rope(),
                slidingWindow(family),
                family.equals("qwen2") || flag("attention_bias"),
                family.equals("qwen3"),
                tied());
    }

    private int headDim(int hidden, int heads) {
        if (present("head_dim")) {
            int headDim = positive("head_dim", 1024);
            if (headDim % 2 != 0) {
                throw new ModelFormatException("config.json has an odd head_dim " + headDim);
            }
            return headDim;
        }
        if (hidden % heads != 0 || hidden / heads % 2 != 0) {
            throw new ModelFormatException("config.json has hidden_size " + hidden + " and num_attention_heads " + heads
                    + ", which give no even head size");
        }
        return hidden / heads;
    }

    /** Qwen2 says with a switch whether its window counts; Mistral and Llama just name one. */
    private int slidingWindow(String family) {
        boolean switchedOff = family.startsWith("qwen") && !flag("use_sliding_window");
        if (switchedOff || !present("sliding_window")) {
            return 0;
        }
        if (family.startsWith("qwen")) {
            throw new ModelFormatException(
                    "config.json has use_sliding_window true, which is not supported for " + family);
        }
        return positive("sliding_window", CONTEXT_MAX);
    }

    private boolean tied() {
        if (present("tie_word_embeddings")) {
            return flag("tie_word_embeddings");
        }
        return false;
    }

    private RopeSpec rope() {
        JsonNode parameters = config.path("rope_parameters");
        JsonNode scaling = parameters.isObject() ? parameters : config.path("rope_scaling");
        double theta = parameters.has("rope_theta")
                ? number(parameters, "rope_theta", 0, 1, 1e12)
                : number("rope_theta", 10_000, 1, 1e12);
        double partial = number("partial_rotary_factor", 1, 0, 1);
        if (partial != 1) {
            throw new ModelFormatException(
                    "config.json has partial_rotary_factor " + partial + "; only 1 is supported");
        }
        if (present("no_rope_layers")
                && config.path("no_rope_layers").toString().contains("0")) {
            throw new ModelFormatException(
                    "config.json has layers without rotary embedding (no_rope_layers); not supported");
        }
        return new RopeSpec(theta, llama3(scaling));
    }

    private @Nullable Llama3Scaling llama3(JsonNode scaling) {
        if (!scaling.isObject()) {
            return null;
        }
        String type = scaling.path("rope_type").asString(scaling.path("type").asString("default"));
        return switch (type) {
            case "default" -> null;
            case "llama3" ->
                new Llama3Scaling(
                        number(scaling, "factor", Double.NaN, 1, 1e6),
                        number(scaling, "low_freq_factor", Double.NaN, 1e-6, 1e6),
                        number(scaling, "high_freq_factor", Double.NaN, 1e-6, 1e6),
                        (int) number(scaling, "original_max_position_embeddings", Double.NaN, 1, CONTEXT_MAX));
            default ->
                throw new ModelFormatException(
                        "config.json has rope type '" + type + "'; supported are default and llama3");
        };
    }

    private void checkActivation() {
        String activation = config.path("hidden_act").asString("silu");
        if (!activation.equals("silu")) {
            throw new ModelFormatException("config.json has hidden_act '" + activation + "'; only silu is supported");
        }
        if (flag("mlp_bias")) {
            throw new ModelFormatException("config.json has mlp_bias true, which is not supported");
        }
    }

    /** Supported is what compressed-tensors calls int-quantized, weights only: one symmetric scale per output channel. */
    private void checkQuantization() {
        JsonNode quantization = config.path("quantization_config");
        if (quantization.isMissingNode() || quantization.isNull()) {
            return;
        }
        boolean supported = quantization.path("quant_method").asString("").equals("compressed-tensors")
                && quantization.path("format").asString("").equals("int-quantized");
        for (JsonNode group : quantization.path("config_groups")) {
            JsonNode weights = group.path("weights");
            supported &= weights.path("num_bits").asInt(0) == 8
                    && weights.path("type").asString("").equals("int")
                    && weights.path("strategy").asString("").equals("channel")
                    && weights.path("symmetric").asBoolean(false);
        }
        if (!supported) {
            throw new ModelFormatException("config.json has a quantization_config that is not supported; what is:"
                    + " compressed-tensors, format int-quantized, 8 bits, symmetric, one scale per channel");
        }
    }

    private boolean present(String key) {
        JsonNode node = config.path(key);
        return !node.isMissingNode() && !node.isNull();
    }

    private boolean flag(String key) {
        JsonNode node = config.path(key);
        if (present(key) && !node.isBoolean()) {
            throw new ModelFormatException("config.json: " + key + " must be true or false");
        }
        return present(key) && node.booleanValue();
    }

    private int positive(String key, int max) {
        JsonNode node = config.path(key);
        if (!node.isIntegralNumber() || !node.canConvertToLong()) {
            throw new ModelFormatException("config.json: " + key + " must be an integer");
        }
        long value = node.longValue();
        if (value < 1 || value > max) {
            throw new ModelFormatException("config.json: " + key + " must be between 1 and " + max + ", is " + value);
        }
        return (int) value;
    }

    private double number(String key, double absent, double min, double max) {
        return number(config, key, absent, min, max);
    }

    private static double number(JsonNode parent, String key, double absent, double min, double max) {
        JsonNode node = parent.path(key);
        if ((node.isMissingNode() || node.isNull()) && !Double.isNaN(absent)) {
            return absent;
        }
        double value = node.isNumber() ? node.doubleValue() : Double.NaN;
        if (!(value >= min && value <= max)) {
            throw new ModelFormatException("config.json: " + key + " must be a number between " + min + " and " + max);
        }
        return value;
    }
}
