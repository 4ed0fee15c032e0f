package dev.sluice.model;

import java.util.List;

/** The content of {@code generation_config.json}: recommended sampling and the tokens that end a text. */
record GenerationConfig(GenerationDefaults defaults, List<Integer> endTokenIds) {

    static final String FILE = "generation_config.json";

    private static final int END_TOKENS_MAX = 64;

    static GenerationConfig read(byte[] bytes, int vocabularySize) {
        ConfigSection config = ConfigSection.of(FILE, bytes);
        GenerationDefaults defaults = new GenerationDefaults(
                config.optionalNumber("temperature", 0, 100),
                config.optionalNumber("top_p", 0, 1),
                config.optionalInteger("top_k", -1, Integer.MAX_VALUE),
                config.optionalNumber("min_p", 0, 1),
                config.optionalNumber("repetition_penalty", 1e-6, 100),
                config.optionalInteger("max_new_tokens", 1, Integer.MAX_VALUE));
        return new GenerationConfig(defaults, config.integers("eos_token_id", 0, vocabularySize - 1, END_TOKENS_MAX));
    }
}
