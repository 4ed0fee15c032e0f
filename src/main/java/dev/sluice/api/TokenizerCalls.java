package dev.sluice.api;

import dev.sluice.text.PromptEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** The utilities around the tokenizer: text to ids, ids to text. */
final class TokenizerCalls {

    private static final int TEXT_BYTES_MAX = 8 << 20;
    private static final int IDS_MAX = 1 << 20;

    private final ServedModel model;
    private final PromptEncoder encoder;
    private final CallReader reader;

    TokenizerCalls(ServedModel model, PromptEncoder encoder, CallReader reader) {
        this.model = model;
        this.encoder = encoder;
        this.reader = reader;
    }

    Object tokenize(byte[] body) {
        Fields fields = JsonBody.parse(body);
        reader.modelName(fields);
        int[] ids;
        if (fields.has("messages")) {
            ids = reader.chatPrompt(fields);
        } else {
            String name = fields.has("content") && !fields.has("prompt") ? "content" : "prompt";
            String text = fields.text(name, TEXT_BYTES_MAX);
            if (text == null) {
                throw fields.missing("prompt");
            }
            String special = name.equals("content") ? "add_special" : "add_special_tokens";
            ids = encoder.encodeText(text, fields.flag(special, name.equals("prompt")));
        }
        List<@Nullable String> texts = null;
        if (fields.flag("return_token_strs", false)) {
            texts = new ArrayList<>();
            for (int id : ids) {
                texts.add(new String(encoder.tokenizer().bytes(id), StandardCharsets.UTF_8));
            }
        }
        Map<String, @Nullable Object> answer = new LinkedHashMap<>();
        answer.put("count", ids.length);
        answer.put("max_model_len", model.contextLength());
        answer.put("tokens", Arrays.stream(ids).boxed().toList());
        answer.put("token_strs", texts);
        return answer;
    }

    Object detokenize(byte[] body) {
        Fields fields = JsonBody.parse(body);
        reader.modelName(fields);
        if (!fields.has("tokens")) {
            throw fields.missing("tokens");
        }
        List<JsonNode> tokens = fields.list("tokens", IDS_MAX);
        int[] ids = new int[tokens.size()];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = (int) Fields.integerAt(tokens.get(i), "tokens", 0, model.vocabularySize() - 1L);
        }
        return Map.of("prompt", encoder.tokenizer().decode(ids, false));
    }
}
