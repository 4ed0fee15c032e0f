package dev.sluice.model;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * One object of a JSON configuration file, read by key and range.
 *
 * <p>An explicit null counts as absent, as it does for the library that writes these files. Every refusal names file,
 * key, value and rule.
 */
final class ConfigSection {

    private final String file;
    private final String prefix;
    private final JsonNode object;

    private ConfigSection(String file, String prefix, JsonNode object) {
        this.file = file;
        this.prefix = prefix;
        this.object = object;
    }

    static ConfigSection of(String file, byte[] bytes) {
        return new ConfigSection(file, "", StrictJson.object(file, bytes));
    }

    boolean has(String key) {
        return find(key) != null;
    }

    @Nullable
    JsonNode find(String key) {
        JsonNode value = object.get(key);
        return value == null || value.isNull() ? null : value;
    }

    int integer(String key, int min, int max) {
        JsonNode value = find(key);
        if (value == null) {
            throw fault(key, "is missing");
        }
        return integer(key, value, min, max);
    }

    int integer(String key, int min, int max, int otherwise) {
        JsonNode value = find(key);
        return value == null ? otherwise : integer(key, value, min, max);
    }

    @Nullable
    Integer optionalInteger(String key, int min, int max) {
        JsonNode value = find(key);
        return value == null ? null : (Integer) integer(key, value, min, max);
    }

    /** One integer, or an array of them; empty if absent. */
    List<Integer> integers(String key, int min, int max, int countMax) {
        JsonNode value = find(key);
        if (value == null) {
            return List.of();
        }
        if (!value.isArray()) {
            return List.of(integer(key, value, min, max));
        }
        if (value.size() > countMax) {
            throw fault(key, "has more than " + countMax + " elements");
        }
        List<Integer> numbers = new ArrayList<>(value.size());
        for (JsonNode element : value) {
            numbers.add(integer(key, element, min, max));
        }
        return numbers;
    }

    double number(String key, double min, double max, double otherwise) {
        Double value = optionalNumber(key, min, max);
        return value == null ? otherwise : value;
    }

    double number(String key, double min, double max) {
        Double value = optionalNumber(key, min, max);
        if (value == null) {
            throw fault(key, "is missing");
        }
        return value;
    }

    @Nullable
    Double optionalNumber(String key, double min, double max) {
        JsonNode value = find(key);
        if (value == null) {
            return null;
        }
        double number = value.isNumber() ? value.doubleValue() : Double.NaN;
        if (!(number >= min && number <= max)) { // false for NaN as well
            throw fault(key, "is " + show(value) + ", but must be a number from " + min + " to " + max);
        }
        return number;
    }

    boolean flag(String key, boolean otherwise) {
        JsonNode value = find(key);
        if (value == null) {
            return otherwise;
        }
        if (!value.isBoolean()) {
            throw fault(key, "is " + show(value) + ", but must be true or false");
        }
        return value.booleanValue();
    }

    @Nullable
    String text(String key) {
        JsonNode value = find(key);
        if (value == null) {
            return null;
        }
        if (!value.isString()) {
            throw fault(key, "is " + show(value) + ", but must be a string");
        }
        return value.stringValue();
    }

    @Nullable
    ConfigSection section(String key) {
        JsonNode value = find(key);
        if (value == null) {
            return null;
        }
        if (!value.isObject()) {
            throw fault(key, "is " + show(value) + ", but must be an object");
        }
        return new ConfigSection(file, prefix + key + ".", value);
    }

    /** Refuses any value but the given text, and absence as well. */
    void demand(String key, String only) {
        JsonNode value = find(key);
        if (value == null || !value.isValueNode() || !value.asString().equals(only)) {
            throw fault(key, "is " + (value == null ? "missing" : show(value)) + ", but only " + only + " is served");
        }
    }

    /** Refuses a feature that is switched on; null, false and absence are fine. */
    void demandAbsent(String key, String meaning) {
        JsonNode value = find(key);
        if (value != null && !(value.isBoolean() && !value.booleanValue())) {
            throw fault(key, "is " + show(value) + ", but " + meaning + " cannot be served");
        }
    }

    List<String> names() {
        return List.copyOf(object.propertyNames());
    }

    ModelFormatException fault(String key, String problem) {
        return new ModelFormatException(file + ": " + prefix + key + " " + problem + ".");
    }

    static String show(JsonNode value) {
        return value.isNumber() || value.isBoolean() ? value.asString() : Echo.of(value.toString());
    }

    private int integer(String key, JsonNode value, int min, int max) {
        if (!value.isIntegralNumber() || !value.canConvertToInt() || value.intValue() < min || value.intValue() > max) {
            throw fault(key, "is " + show(value) + ", but must be an integer from " + min + " to " + max);
        }
        return value.intValue();
    }
}
