package dev.sluice.model;

import java.util.List;

/**
 * What {@code config.json} says about a model.
 *
 * @param endTokenIds tokens that end a text
 */
record ModelConfig(ModelSpec spec, List<Integer> endTokenIds) {}
