package dev.sluice.model;

import org.jspecify.annotations.Nullable;

/**
 * What {@code generation_config.json} recommends; null where it says nothing.
 *
 * @param endTokenIds ids that end an answer: those of the generation configuration and of the model's, ascending
 */
@SuppressWarnings("ArrayRecordComponent") // read once per request, never written
public record GenerationDefaults(
        int[] endTokenIds,
        @Nullable Double temperature,
        @Nullable Double topP,
        @Nullable Integer topK,
        @Nullable Double repetitionPenalty) {}
