package dev.sluice.model;

import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * The files of a model that concern text, as they are; null where the model has none.
 *
 * @param tokenizer content of {@code tokenizer.json}
 * @param config content of {@code tokenizer_config.json}
 * @param specialTokens content of {@code special_tokens_map.json}
 * @param chatTemplate source of the default chat template
 */
@SuppressWarnings("ArrayRecordComponent") // read once, by the tokenizer
public record TokenizerFiles(
        byte @Nullable [] tokenizer,
        byte @Nullable [] config,
        byte @Nullable [] specialTokens,
        @Nullable String chatTemplate) {

    private static final int TOKENIZER_BYTES_MAX = 256 << 20; // the largest published ones are about 35 MB
    private static final int CONFIG_BYTES_MAX = 16 << 20;
    private static final int TEMPLATE_BYTES_MAX = 1 << 20;

    private static final String CONFIG_FILE = "tokenizer_config.json";
    private static final String TEMPLATE_FILE = "chat_template.jinja";

    static TokenizerFiles read(ModelSource source) {
        byte[] config = source.read(CONFIG_FILE, CONFIG_BYTES_MAX);
        byte[] template = source.read(TEMPLATE_FILE, TEMPLATE_BYTES_MAX);
        return new TokenizerFiles(
                source.read("tokenizer.json", TOKENIZER_BYTES_MAX),
                config,
                source.read("special_tokens_map.json", CONFIG_BYTES_MAX),
                template != null ? StrictJson.text(TEMPLATE_FILE, template) : templateIn(config));
    }

    /** The template inside the configuration: one string, or a list of named ones of which "default" counts. */
    private static @Nullable String templateIn(byte @Nullable [] config) {
        if (config == null) {
            return null;
        }
        JsonNode template = StrictJson.object(CONFIG_FILE, config).get("chat_template");
        if (template == null || template.isNull()) {
            return null;
        }
        if (template.isString()) {
            return template.stringValue();
        }
        if (!template.isArray()) {
            throw new ModelFormatException(CONFIG_FILE + ": chat_template must be a string or a list of named ones.");
        }
        for (JsonNode named : template) {
            JsonNode source = named.get("template");
            if (named.path("name").asString("").equals("default") && source != null && source.isString()) {
                return source.stringValue();
            }
        }
        return null;
    }
}
