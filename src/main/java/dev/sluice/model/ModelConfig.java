package dev.sluice.model;

import java.util.List;

/**
 * What {@code config.json} says about a model.
 *
 * @param quantized linear layers may be stored as int8 with one scale per output row
 * @param endTokenIds tokens that end a text
 */
record ModelConfig(ModelSpec spec, boolean quantized, List<Integer> endTokenIds) {}
