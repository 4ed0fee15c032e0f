package dev.sluice.api;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The conversation of a chat call, in the shapes that chat templates read.
 *
 * @param variables what else the template may read
 * @param contentBytes a lower bound of the rendered conversation's size
 */
record ChatMessages(
        List<Map<String, @Nullable Object>> messages, Map<String, @Nullable Object> variables, long contentBytes) {

    private static final Set<String> ROLES = Set.of("system", "developer", "user", "assistant", "tool");
    private static final Set<String> EFFORTS = Set.of("none", "minimal", "low", "medium", "high", "xhigh", "max");
    private static final int KWARGS_MAX = 32;

    static ChatMessages read(Fields fields) {
        if (!fields.has("messages")) {
            throw fields.missing("messages");
        }
        List<JsonNode> nodes = fields.list("messages", RequestLimits.MESSAGES);
        if (nodes.isEmpty()) {
            throw ApiError.invalidValue("messages", "must not be empty").asException();
        }
        List<Map<String, @Nullable Object>> messages = new ArrayList<>();
        long bytes = 0;
        for (int i = 0; i < nodes.size(); i++) {
            String path = "messages[" + i + "]";
            if (!nodes.get(i).isObject()) {
                throw Fields.wrongTypeAt(path, "an object");
            }
            Map<String, @Nullable Object> message = message(new Fields(nodes.get(i), path));
            bytes += message.get("content") instanceof String text ? text.length() : 0;
            messages.add(message);
        }
        return new ChatMessages(messages, variables(fields), bytes);
    }

    /** Bytes of all texts that a template may read. */
    long textBytes() {
        return textBytes(messages) + textBytes(variables);
    }

    private static long textBytes(@Nullable Object value) {
        long bytes = 0;
        if (value instanceof String text) {
            bytes = TextLimits.utf8Bytes(text);
        } else if (value instanceof Iterable<?> items) {
            for (Object item : items) {
                bytes += textBytes(item);
            }
        } else if (value instanceof Map<?, ?> map) {
            for (Map.Entry<?, ?> entry : map.entrySet()) {
                bytes += textBytes(entry.getKey()) + textBytes(entry.getValue());
            }
        }
        return bytes;
    }

    private static Map<String, @Nullable Object> message(Fields fields) {
        String role = fields.text("role", RequestLimits.NAME_BYTES);
        if (role == null) {
            throw fields.missing("role");
        }
        if (!ROLES.contains(role)) {
            throw ApiError.invalidValue(fields.path("role"), "must be system, developer, user, assistant or tool")
                    .asException();
        }
        Map<String, @Nullable Object> message = new LinkedHashMap<>();
        message.put("role", role.equals("developer") ? "system" : role);
        message.put("content", content(fields, role));
        for (String name : List.of("name", "tool_call_id", "refusal")) {
            String value = fields.text(name, 1 << 20);
            if (value != null) {
                message.put(name, value);
            }
        }
        String alias = fields.text("reasoning", 1 << 23);
        String reasoning = fields.has("reasoning_content") ? fields.text("reasoning_content", 1 << 23) : alias;
        if (reasoning != null) {
            message.put("reasoning_content", reasoning);
        }
        if (role.equals("assistant") && fields.has("tool_calls")) {
            message.put("tool_calls", toolCalls(fields));
        }
        return message;
    }

    private static String content(Fields fields, String role) {
        if (!fields.has("content")) {
            if (role.equals("assistant")) {
                return "";
            }
            throw fields.missing("content");
        }
        JsonNode content = fields.get("content");
        if (content.isString()) {
            return Fields.textAt(content, fields.path("content"), 1 << 25);
        }
        List<String> texts = new ArrayList<>();
        List<JsonNode> parts = fields.list("content", RequestLimits.PARTS);
        for (int i = 0; i < parts.size(); i++) {
            String path = fields.path("content") + "[" + i + "]";
            if (!parts.get(i).isObject()) {
                throw Fields.wrongTypeAt(path, "an object");
            }
            Fields part = new Fields(parts.get(i), path);
            String type = part.text("type", RequestLimits.NAME_BYTES);
            String field = "refusal".equals(type) ? "refusal" : "text";
            if (!"text".equals(type) && !"refusal".equals(type)) {
                throw ApiError.invalid(path, "unsupported_value", path + " is not text, which is all this model reads")
                        .asException();
            }
            String text = part.text(field, 1 << 25);
            if (text == null) {
                throw part.missing(field);
            }
            texts.add(text);
        }
        return String.join("\n", texts);
    }

    /** Templates iterate over the arguments, so their JSON text becomes an object; what a body may not hold stays a text. */
    private static List<Object> toolCalls(Fields fields) {
        List<Object> calls = new ArrayList<>();
        for (JsonNode node : fields.list("tool_calls", 128)) {
            Object value = plain(node);
            if (!(value instanceof Map<?, ?> map) || !(map.get("function") instanceof Map<?, ?> function)) {
                throw fields.wrongType("tool_calls", "a list of calls, each with a function");
            }
            Map<Object, @Nullable Object> changed = new LinkedHashMap<>(function);
            if (function.get("arguments") instanceof String json) {
                changed.put("arguments", parsed(json));
            }
            Map<Object, @Nullable Object> call = new LinkedHashMap<>(map);
            call.put("function", changed);
            calls.add(call);
        }
        return calls;
    }

    private static @Nullable Object parsed(String json) {
        try {
            JsonNode node = JsonBody.tree(json);
            return node.isObject() ? plain(node) : json;
        } catch (ApiException e) {
            return json;
        }
    }

    private static Map<String, @Nullable Object> variables(Fields fields) {
        Map<String, @Nullable Object> variables = new HashMap<>();
        Fields kwargs = fields.object("chat_template_kwargs");
        if (kwargs != null) {
            JsonNode node = fields.get("chat_template_kwargs");
            if (node.size() > KWARGS_MAX) {
                throw ApiError.invalidValue("chat_template_kwargs", "may have at most " + KWARGS_MAX + " members")
                        .asException();
            }
            for (Map.Entry<String, JsonNode> entry : node.properties()) {
                variables.put(entry.getKey(), plain(entry.getValue()));
            }
        }
        boolean generate = fields.flag("add_generation_prompt", true);
        if (fields.flag("continue_final_message", false)) {
            throw ApiError.unsupported("continue_final_message", "continue_final_message is not supported")
                    .asException();
        }
        String effort = fields.text("reasoning_effort", RequestLimits.NAME_BYTES);
        if (effort != null) {
            if (!EFFORTS.contains(effort)) {
                throw ApiError.invalidValue("reasoning_effort", "must be one of " + String.join(", ", EFFORTS))
                        .asException();
            }
            variables.put("reasoning_effort", effort);
            if (effort.equals("none")) {
                variables.put("enable_thinking", false);
            }
        }
        variables.put("add_generation_prompt", generate);
        variables.put("tools", null);
        variables.put("documents", null);
        return variables;
    }

    /** JSON as plain Java values. */
    private static @Nullable Object plain(JsonNode node) {
        return JsonMapper.shared().convertValue(node, Object.class);
    }
}
