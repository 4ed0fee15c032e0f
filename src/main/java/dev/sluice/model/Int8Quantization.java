package dev.sluice.model;

import java.util.List;
import tools.jackson.databind.JsonNode;

/** The one quantization that is served: compressed-tensors, int8 weights only, symmetric, one scale per output row. */
final class Int8Quantization {

    private Int8Quantization() {}

    /** True if the configuration asks for it, false if it asks for none; anything else is refused. */
    static boolean check(ConfigSection config) {
        ConfigSection quantization = config.section("quantization_config");
        if (quantization == null) {
            return false;
        }
        quantization.demand("quant_method", "compressed-tensors");
        quantization.demand("format", "int-quantized");
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
        checkGroup(group);
        return true;
    }

    private static void checkGroup(ConfigSection group) {
        JsonNode targets = group.find("targets");
        if (targets == null
                || !targets.isArray()
                || targets.size() != 1
                || !targets.get(0).asString("").equals("Linear")) {
            throw group.fault("targets", "must be [\"Linear\"]");
        }
        group.demandAbsent("input_activations", "quantized activations");
        group.demandAbsent("output_activations", "quantized activations");
        ConfigSection weights = group.section("weights");
        if (weights == null) {
            throw group.fault("weights", "is missing");
        }
        weights.demand("type", "int");
        weights.demand("num_bits", "8");
        weights.demand("symmetric", "true");
        weights.demand("strategy", "channel");
        weights.demandAbsent("dynamic", "a scale computed while running");
        weights.demandAbsent("actorder", "a reordering of columns");
        weights.demandAbsent("group_size", "a scale per group");
        weights.demandAbsent("block_structure", "a scale per block");
    }
}
