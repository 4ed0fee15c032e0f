package dev.sluice.api;

import dev.sluice.text.ChatTemplateException;
import dev.sluice.text.PromptEncoder;
import dev.sluice.text.RenderedPrompt;
import dev.sluice.text.UnencodableTextException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import tools.jackson.databind.JsonNode;

/**
 * Reads the prompts of calls: first all of their sizes are compared with the limits, then their text is worked on. Templates
 * and tokenizing take CPU time, so this runs as {@link TextWork}.
 */
final class PromptParser {

    private final ServedModel model;
    private final PromptEncoder encoder;
    private final RequestLimits limits;
    private final TextLimits textLimits;

    PromptParser(ServedModel model, PromptEncoder encoder, RequestLimits limits, TextLimits textLimits) {
        this.model = model;
        this.encoder = encoder;
        this.limits = limits;
        this.textLimits = textLimits;
    }

    /** The served model's name as the caller wrote it; absent means the one that is served. */
    String modelName(Fields fields) {
        String name = fields.text("model", 1 << 20);
        if (name == null) {
            return model.name();
        }
        if (!model.names().contains(name)) {
            throw ApiError.modelNotFound(name).asException();
        }
        return name;
    }

    /** Renders and encodes the conversation of a chat or tokenize call. */
    int[] chat(Fields fields) {
        ChatMessages messages = ChatMessages.read(fields);
        checkContext("messages", messages.contentBytes());
        textLimits.checkBytes("messages", messages.textBytes());
        RenderedPrompt rendered;
        try {
            rendered = encoder.renderChat(messages.messages(), messages.variables());
        } catch (ChatTemplateException e) {
            String message = String.valueOf(e.getMessage());
            throw (e.clientFault()
                            ? ApiError.invalid("messages", "chat_template_error", message)
                            : ApiError.of(500, "server_error", "chat_template_error", message))
                    .asException();
        }
        long bytes = TextLimits.utf8Bytes(rendered.text()); // a template may repeat what it is given
        checkContext("messages", bytes);
        textLimits.checkBytes("messages", bytes);
        return encoded("messages", () -> encoder.tokenizer().encode(rendered));
    }

    /** The prompts of a completions call as they stand there: one text, one list of ids, or a list of either. */
    List<JsonNode> items(Fields fields) {
        if (!fields.has("prompt")) {
            throw fields.missing("prompt");
        }
        JsonNode node = fields.get("prompt");
        if (node.isString() || (node.isArray() && !node.isEmpty() && node.get(0).isNumber())) {
            return List.of(node);
        }
        if (!node.isArray() || node.isEmpty()) {
            throw fields.wrongType("prompt", "a string, a list of token ids, or a list of these, and not empty");
        }
        if (node.size() > limits.prompts()) {
            throw ApiError.invalidValue("prompt", "may have at most " + limits.prompts() + " elements")
                    .asException();
        }
        List<JsonNode> items = new ArrayList<>();
        node.forEach(items::add);
        return items;
    }

    /** Encodes the prompts of a completions call, none of them before all are known to be small enough. */
    List<int[]> completion(Fields fields, List<JsonNode> items) {
        boolean special = fields.flag("add_special_tokens", true);
        boolean texts = items.getFirst().isString();
        long bytes = 0;
        long tokens = 0;
        for (JsonNode item : items) {
            if (texts) {
                long size = TextLimits.utf8Bytes(Fields.textAt(item, "prompt", limits.bodyBytes()));
                checkContext("prompt", size);
                bytes += size;
            } else {
                tokens += ids(item);
            }
        }
        textLimits.checkBytes("prompt", bytes);
        textLimits.checkTokens("prompt", tokens);
        List<int[]> prompts = new ArrayList<>();
        tokens = 0;
        for (JsonNode item : items) {
            int[] ids = texts ? prompt(item.stringValue(), special) : ids("prompt", item);
            tokens += ids.length;
            textLimits.checkTokens("prompt", tokens);
            prompts.add(ids);
        }
        return prompts;
    }

    private int[] prompt(String text, boolean special) {
        int[] ids = encoded("prompt", () -> encoder.encodeText(text, special));
        if (text.isEmpty() || ids.length == 0) {
            throw ApiError.invalidValue("prompt", "must not be empty").asException();
        }
        return ids;
    }

    /** How many ids an element has. */
    private int ids(JsonNode list) {
        if (!list.isArray() || list.isEmpty()) {
            throw ApiError.invalidValue("prompt", "must hold token ids, and not be empty")
                    .asException();
        }
        return list.size();
    }

    /** A list of ids, each of them in the vocabulary; its size must have been checked. */
    int[] ids(String param, JsonNode list) {
        int[] ids = new int[list.size()];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = (int) Fields.integerAt(list.get(i), param, 0, model.vocabularySize() - 1L);
        }
        return ids;
    }

    /** The texts of prompts that fit the context, to be put before each of their answers. */
    List<String> echoes(List<int[]> prompts, int choices) {
        textLimits.checkBytes("echo", decodedBytes(prompts) * choices);
        List<String> echoes = new ArrayList<>();
        prompts.forEach(ids -> echoes.add(encoder.tokenizer().decode(ids, true)));
        return echoes;
    }

    /** Encodes a text for its own sake: the context does not bound it. */
    int[] text(String param, String text, boolean special) {
        textLimits.checkBytes(param, TextLimits.utf8Bytes(text));
        return encoded(param, () -> encoder.encodeText(text, special));
    }

    /** The text of ids. */
    String decoded(String param, int[] ids) {
        textLimits.checkBytes(param, decodedBytes(List.of(ids)));
        return encoder.tokenizer().decode(ids, false);
    }

    /** Bytes of the texts of prompts, without making those. */
    long decodedBytes(List<int[]> prompts) {
        long bytes = 0;
        for (int[] ids : prompts) {
            for (int id : ids) {
                bytes += encoder.tokenizer().bytes(id).length;
            }
        }
        return bytes;
    }

    private int[] encoded(String param, Supplier<int[]> text) {
        try {
            int[] ids = text.get();
            textLimits.checkTokens(param, ids.length);
            return ids;
        } catch (UnencodableTextException e) {
            throw ApiError.invalidValue(param, String.valueOf(e.getMessage())).asException();
        }
    }

    /** Refuses by its length alone what cannot fit however it is tokenized. */
    private void checkContext(String param, long bytes) {
        if (bytes > (long) encoder.tokenizer().longestTokenBytes() * model.contextLength()) {
            throw ApiError.invalid(
                            param,
                            "context_length_exceeded",
                            "This model's maximum context length is " + model.contextLength() + " tokens; " + bytes
                                    + " bytes of text cannot fit.")
                    .asException();
        }
    }
}
