package dev.sluice.text;

import dev.sluice.jinja.TemplateLimits;
import dev.sluice.model.Model;
import dev.sluice.model.ModelFormatException;
import dev.sluice.model.TokenizerFiles;
import dev.sluice.runtime.Clock;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A model's way from words to token ids: its chat template and its tokenizer. Safe for use by many threads. */
public final class PromptEncoder implements AutoCloseable {

    private final PretrainedTokenizer tokenizer;
    private final @Nullable ChatTemplate template;

    private PromptEncoder(PretrainedTokenizer tokenizer, @Nullable ChatTemplate template) {
        this.tokenizer = tokenizer;
        this.template = template;
    }

    /** @throws ModelFormatException if tokenizer or template cannot be served */
    public static PromptEncoder of(Model model, Clock clock) {
        TokenizerFiles files = model.tokenizerFiles();
        byte[] json = files.tokenizer();
        if (json == null) {
            throw new ModelFormatException("the model " + model.name() + " has no tokenizer.json");
        }
        PretrainedTokenizer tokenizer = PretrainedTokenizer.read(json);
        if (tokenizer.vocabularySize() > model.spec().vocabularySize()) {
            throw new ModelFormatException("tokenizer.json has ids up to " + (tokenizer.vocabularySize() - 1)
                    + ", the model's vocabulary has " + model.spec().vocabularySize());
        }
        JsonNode config;
        try {
            byte[] bytes = files.config();
            config = bytes == null
                    ? JsonMapper.shared().createObjectNode()
                    : JsonMapper.shared().readTree(bytes);
        } catch (JacksonException e) {
            throw new ModelFormatException("tokenizer_config.json is not valid JSON", e);
        }
        String source = files.chatTemplate();
        ChatTemplate template = source == null
                ? null
                : new JinjaChatTemplate(
                        source, token(config, "bos_token"), token(config, "eos_token"), TemplateLimits.DEFAULT, clock);
        return new PromptEncoder(tokenizer, template);
    }

    /** Special tokens are written as a string, or as an object with the string as its content. */
    private static @Nullable String token(JsonNode config, String key) {
        JsonNode node = config.path(key);
        JsonNode text = node.isObject() ? node.path("content") : node;
        return text.isString() ? text.stringValue() : null;
    }

    public Tokenizer tokenizer() {
        return tokenizer;
    }

    public boolean hasChatTemplate() {
        return template != null;
    }

    /** Encodes a plain prompt. */
    public int[] encodeText(String text, boolean addSpecialTokens) {
        return tokenizer.encode(text, addSpecialTokens);
    }

    /** Encodes a conversation; parameters as in {@link ChatTemplate#render}. */
    public int[] encodeChat(List<Map<String, @Nullable Object>> messages, Map<String, @Nullable Object> variables) {
        return tokenizer.encode(renderChat(messages, variables));
    }

    /**
     * Renders a conversation without encoding it.
     *
     * @throws ChatTemplateException if the template refuses the conversation, or there is none
     */
    public RenderedPrompt renderChat(
            List<Map<String, @Nullable Object>> messages, Map<String, @Nullable Object> variables) {
        if (template == null) {
            throw new ChatTemplateException("the model has no chat template; use the completions endpoint", true);
        }
        return template.render(messages, variables);
    }

    @Override
    public void close() {
        tokenizer.close();
    }
}
