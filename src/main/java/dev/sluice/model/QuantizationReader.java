package dev.sluice.model;

import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * Reads the quantizations that are served: compressed-tensors, symmetric, weights of 8 bits with one scale per output row,
 * inputs as they are or of the same 8 bits with one scale per token.
 */
final class QuantizationReader {

    private QuantizationReader() {}

    /** What the configuration asks for; anything that cannot be served is refused. */
    static Quantization read(ConfigSection config) {
        ConfigSection quantization = config.section("quantization_config");
        if (quantization == null) {
            return Quantization.NONE;
        }
        quantization.demand("quant_method", "compressed-tensors");
        String format = quantization.text("format");
        boolean floating = "float-quantized".equals(format);
        if (!floating && !"int-quantized".equals(format)) {
            throw quantization.fault(
                    "format",
                    (format == null ? "is missing" : "is " + Echo.of(format))
                            + ", but only int-quantized and float-quantized are served");
        }
        quantization.demandAbsent("kv_cache_scheme", "a quantized KV cache");
        ConfigSection sparsity = quantization.section("sparsity_config");
        if (sparsity != null && sparsity.has("format")) {
            sparsity.demand("format", "dense");
        }
        ConfigSection groups = quantization.section("config_groups");
        List<String> names = groups == null ? List.of() : groups.names();
        ConfigSection group = groups == null || names.size() != 1 ? null : groups.section(names.getFirst());
        if (group == null) {
            throw quantization.fault("config_groups", "must be one group for all linear layers");
        }
        boolean dynamic = readGroup(group, floating ? "float" : "int");
        if (floating) {
            return dynamic ? Quantization.FP8_DYNAMIC : Quantization.FP8;
        }
        return dynamic ? Quantization.INT8_DYNAMIC : Quantization.INT8;
    }

    /** True if inputs are quantized. */
    private static boolean readGroup(ConfigSection group, String type) {
        JsonNode targets = group.find("targets");
        if (targets == null
                || !targets.isArray()
                || targets.size() != 1
                || !targets.get(0).asString("").equals("Linear")) {
            throw group.fault("targets", "must be [\"Linear\"]");
        }
        group.demandAbsent("output_activations", "quantized activations");
        ConfigSection weights = group.section("weights");
        if (weights == null) {
            throw group.fault("weights", "is missing");
        }
        checkNumbers(weights, type, "channel");
        weights.demandAbsent("dynamic", "a scale computed while running");
        ConfigSection inputs = inputs(group);
        if (inputs != null) {
            checkNumbers(inputs, type, "token");
            inputs.demand("dynamic", "true");
        }
        return inputs != null;
    }

    private static @Nullable ConfigSection inputs(ConfigSection group) {
        JsonNode inputs = group.find("input_activations");
        if (inputs != null && inputs.isObject()) {
            return group.section("input_activations");
        }
        group.demandAbsent("input_activations", "such a description of quantized activations");
        return null;
    }

    private static void checkNumbers(ConfigSection section, String type, String strategy) {
        section.demand("type", type);
        section.demand("num_bits", "8");
        section.demand("symmetric", "true");
        section.demand("strategy", strategy);
        section.demandAbsent("actorder", "a reordering of columns");
        section.demandAbsent("group_size", "a scale per group");
        section.demandAbsent("block_structure", "a scale per block");
    }
}
