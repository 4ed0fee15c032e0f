package dev.sluice.model;

import org.jspecify.annotations.Nullable;

/** What a model recommends for sampling in {@code generation_config.json}; null where it recommends nothing. */
public record GenerationDefaults(
        @Nullable Double temperature,
        @Nullable Double topP,
        @Nullable Integer topK,
        @Nullable Double minP,
        @Nullable Double repetitionPenalty,
        @Nullable Integer maxNewTokens) {

    /** No recommendation at all. */
    public static final GenerationDefaults NONE = new GenerationDefaults(null, null, null, null, null, null);
}
