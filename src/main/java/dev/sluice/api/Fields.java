package dev.sluice.api;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * The members of one JSON object, read with their rules. Every error names the member by its path. Null and absent are
 * the same; nothing is converted: {@code 1.0} and {@code "1"} are no integers.
 */
final class Fields {

    private final JsonNode node;
    private final String path;

    Fields(JsonNode node, String path) {
        this.node = node;
        this.path = path;
    }

    String path(String name) {
        return path.isEmpty() ? name : path + "." + name;
    }

    boolean has(String name) {
        JsonNode value = node.path(name);
        return !value.isMissingNode() && !value.isNull();
    }

    JsonNode get(String name) {
        return node.path(name);
    }

    ApiException wrongType(String name, String expected) {
        return wrongTypeAt(path(name), expected);
    }

    static ApiException wrongTypeAt(String path, String expected) {
        return ApiError.invalid(path, "invalid_type", path + " must be " + expected)
                .asException();
    }

    ApiException missing(String name) {
        return ApiError.invalid(path(name), "missing_required_parameter", path(name) + " is required")
                .asException();
    }

    boolean flag(String name, boolean absent) {
        if (!has(name)) {
            return absent;
        }
        if (!get(name).isBoolean()) {
            throw wrongType(name, "true or false");
        }
        return get(name).booleanValue();
    }

    @Nullable
    Long integer(String name, long min, long max) {
        return has(name) ? integerAt(get(name), path(name), min, max) : null;
    }

    static long integerAt(JsonNode value, String path, long min, long max) {
        if (!value.isIntegralNumber()) {
            throw wrongTypeAt(path, "an integer");
        }
        if (!value.canConvertToLong() || value.longValue() < min || value.longValue() > max) {
            throw ApiError.invalidValue(path, "must be between " + min + " and " + max)
                    .asException();
        }
        return value.longValue();
    }

    int integer(String name, int absent, int min, int max) {
        Long value = integer(name, (long) min, (long) max);
        return value == null ? absent : value.intValue();
    }

    @Nullable
    Double number(String name, double min, boolean minAllowed, double max) {
        if (!has(name)) {
            return null;
        }
        return numberAt(get(name), path(name), min, minAllowed, max);
    }

    static double numberAt(JsonNode value, String path, double min, boolean minAllowed, double max) {
        if (!value.isNumber()) {
            throw wrongTypeAt(path, "a number");
        }
        double number = value.doubleValue();
        if (!(number <= max) || !(minAllowed ? number >= min : number > min)) {
            throw ApiError.invalidValue(
                            path, "must be " + (minAllowed ? "at least " : "above ") + min + " and at most " + max)
                    .asException();
        }
        return number;
    }

    @Nullable
    String text(String name, int bytesMax) {
        if (!has(name)) {
            return null;
        }
        return textAt(get(name), path(name), bytesMax);
    }

    static String textAt(JsonNode value, String path, int bytesMax) {
        if (!value.isString()) {
            throw wrongTypeAt(path, "a string");
        }
        String text = value.stringValue();
        if (TextLimits.utf8Bytes(text) > bytesMax) {
            throw ApiError.invalidValue(path, "may have at most " + bytesMax + " bytes")
                    .asException();
        }
        return text;
    }

    /** True if the text is no Unicode, since one of its surrogates has no partner. */
    static boolean hasHalfCharacter(String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (Character.isHighSurrogate(c) && i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(c)) {
                return true;
            }
        }
        return false;
    }

    @Nullable
    Fields object(String name) {
        if (!has(name)) {
            return null;
        }
        if (!get(name).isObject()) {
            throw wrongType(name, "an object");
        }
        return new Fields(get(name), path(name));
    }

    /** The elements of an array; empty if absent. */
    List<JsonNode> list(String name, int sizeMax) {
        if (!has(name)) {
            return List.of();
        }
        JsonNode array = get(name);
        if (!array.isArray()) {
            throw wrongType(name, "an array");
        }
        if (array.size() > sizeMax) {
            throw ApiError.invalidValue(path(name), "may have at most " + sizeMax + " elements")
                    .asException();
        }
        List<JsonNode> items = new ArrayList<>();
        array.forEach(items::add);
        return items;
    }
}
