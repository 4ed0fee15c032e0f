package dev.sluice.api;

import java.util.List;
import tools.jackson.databind.JsonNode;

/** Fields that would change the answer but cannot be honoured are refused; ignoring them would be a lie. */
final class UnsupportedFields {

    private static final List<String> TOOLS = List.of("tools", "functions", "function_call");
    private static final List<String> STRUCTURE =
            List.of("structured_outputs", "guided_json", "guided_regex", "guided_choice", "guided_grammar");

    private UnsupportedFields() {}

    static void check(Fields fields) {
        for (String name : TOOLS) {
            boolean empty = fields.get(name).isArray() && fields.get(name).isEmpty();
            if (fields.has(name) && !empty) {
                throw ApiError.unsupported(name, name + " is not supported yet: this server does not call tools")
                        .asException();
            }
        }
        if (fields.has("tool_choice")) {
            JsonNode choice = fields.get("tool_choice");
            String text = choice.isString() ? choice.stringValue() : "";
            if (!text.equals("none") && !text.equals("auto")) {
                throw ApiError.unsupported("tool_choice", "tool_choice needs tools, which are not supported yet")
                        .asException();
            }
        }
        for (String name : STRUCTURE) {
            if (fields.has(name)) {
                throw ApiError.unsupported(name, name + " is not supported yet").asException();
            }
        }
        Fields format = fields.object("response_format");
        if (format != null && !"text".equals(format.text("type", RequestLimits.NAME_BYTES))) {
            throw ApiError.unsupported("response_format", "response_format other than text is not supported yet")
                    .asException();
        }
        if (fields.has("chat_template")) {
            throw ApiError.unsupported("chat_template", "chat_template cannot be given with a request")
                    .asException();
        }
        for (String name : List.of("truncate_prompt_tokens", "prompt_embeds", "lora_request")) {
            if (fields.has(name)) {
                throw ApiError.unsupported(name, name + " is not supported").asException();
            }
        }
        for (JsonNode modality : fields.list("modalities", 16)) {
            if (!"text".equals(modality.asString(""))) {
                throw ApiError.invalid("modalities", "unsupported_value", "modalities may hold only text")
                        .asException();
            }
        }
    }
}
