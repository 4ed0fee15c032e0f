package dev.sluice.api;

import dev.sluice.text.PromptEncoder;
import java.nio.charset.StandardCharsets;
import java.util.AbstractList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** The utilities around the tokenizer: text to ids, ids to text. */
final class TokenizerCalls {

    private final ServedModel model;
    private final PromptEncoder encoder;
    private final PromptParser prompts;
    private final TextLimits limits;

    TokenizerCalls(ServedModel model, PromptEncoder encoder, PromptParser prompts, TextLimits limits) {
        this.model = model;
        this.encoder = encoder;
        this.prompts = prompts;
        this.limits = limits;
    }

    /** Of several texts the messages win, then the prompt; what does not win must be valid as well. */
    Object tokenize(byte[] body) {
        Fields fields = JsonBody.parse(body);
        prompts.modelName(fields);
        String prompt = text(fields, "prompt");
        String content = text(fields, "content");
        boolean addToPrompt = fields.flag("add_special_tokens", true);
        boolean addToContent = fields.flag("add_special", false);
        boolean withTexts = fields.flag("return_token_strs", false);
        int[] ids;
        if (fields.has("messages")) {
            ids = prompts.chat(fields);
        } else if (prompt != null) {
            ids = prompts.text("prompt", prompt, addToPrompt);
        } else if (content != null) {
            ids = prompts.text("content", content, addToContent);
        } else {
            throw fields.missing("prompt");
        }
        Map<String, @Nullable Object> answer = new LinkedHashMap<>();
        answer.put("count", ids.length);
        answer.put("max_model_len", model.contextLength());
        answer.put("tokens", ids);
        answer.put("token_strs", withTexts ? texts(ids) : null);
        return answer;
    }

    private @Nullable String text(Fields fields, String name) {
        String text = fields.text(name, Integer.MAX_VALUE);
        limits.checkBytes(name, text == null ? 0 : TextLimits.utf8Bytes(text));
        return text;
    }

    /** The texts of the tokens, made one by one while they are written. */
    private List<String> texts(int[] ids) {
        return new AbstractList<>() {
            @Override
            public String get(int index) {
                return new String(encoder.tokenizer().bytes(ids[index]), StandardCharsets.UTF_8);
            }

            @Override
            public int size() {
                return ids.length;
            }
        };
    }

    Object detokenize(byte[] body) {
        Fields fields = JsonBody.parse(body);
        prompts.modelName(fields);
        if (!fields.has("tokens")) {
            throw fields.missing("tokens");
        }
        JsonNode tokens = fields.get("tokens");
        if (!tokens.isArray()) {
            throw fields.wrongType("tokens", "an array");
        }
        limits.checkTokens("tokens", tokens.size());
        return Map.of("prompt", prompts.decoded("tokens", prompts.ids("tokens", tokens)));
    }
}
