package dev.sluice.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What values are and how Python treats them: null, Boolean, Long, Double, {@link Text}, List, {@link Tuple}, Map
 * with String keys, {@link Undefined}, {@link Callable}.
 */
final class Values {

    private Values() {}

    /** Turns JSON-shaped Java values into template values; every string counts as the client's. */
    static @Nullable Object fromClient(@Nullable Object value) {
        return switch (value) {
            case null -> null;
            case Boolean flag -> flag;
            case String text -> Text.client(text);
            case Double number -> number;
            case Float number -> (double) number;
            case Number number -> number.longValue();
            case List<?> list -> {
                List<@Nullable Object> copy = new ArrayList<>();
                list.forEach(item -> copy.add(fromClient(item)));
                yield copy;
            }
            case Map<?, ?> map -> {
                Map<String, @Nullable Object> copy = new LinkedHashMap<>();
                map.forEach((key, item) -> copy.put(String.valueOf(key), fromClient(item)));
                yield copy;
            }
            default -> throw TemplateException.evaluation("a variable has a type that templates do not know");
        };
    }

    static boolean isTrue(@Nullable Object value) {
        return switch (value) {
            case null -> false;
            case Boolean flag -> flag;
            case Long number -> number != 0;
            case Double number -> number != 0;
            case Text text -> !text.isEmpty();
            case List<?> list -> !list.isEmpty();
            case Map<?, ?> map -> !map.isEmpty();
            case Undefined undefined -> false;
            default -> true;
        };
    }

    static boolean equal(@Nullable Object a, @Nullable Object b) {
        if (a instanceof Undefined || b instanceof Undefined) {
            return a instanceof Undefined && b instanceof Undefined;
        }
        if (isNumber(a) && isNumber(b)) {
            return (isIntegral(a) && isIntegral(b)) ? integer(a) == integer(b) : number(a) == number(b);
        }
        if (a instanceof List<?> x && b instanceof List<?> y) {
            if (x.size() != y.size() || x instanceof Tuple != y instanceof Tuple) {
                return false;
            }
            for (int i = 0; i < x.size(); i++) {
                if (!equal(x.get(i), y.get(i))) {
                    return false;
                }
            }
            return true;
        }
        if (a instanceof Map<?, ?> x && b instanceof Map<?, ?> y) {
            return x.keySet().equals(y.keySet()) && x.keySet().stream().allMatch(key -> equal(x.get(key), y.get(key)));
        }
        return Objects.equals(a, b);
    }

    static int compare(@Nullable Object a, @Nullable Object b) {
        if (isNumber(a) && isNumber(b)) {
            return isIntegral(a) && isIntegral(b)
                    ? Long.compare(integer(a), integer(b))
                    : Double.compare(number(a), number(b));
        }
        if (a instanceof Text x && b instanceof Text y) {
            return x.compareTo(y);
        }
        throw TemplateException.evaluation("cannot order " + typeName(a) + " and " + typeName(b));
    }

    static boolean isNumber(@Nullable Object value) {
        return value instanceof Long || value instanceof Double || value instanceof Boolean;
    }

    static boolean isIntegral(@Nullable Object value) {
        return value instanceof Long || value instanceof Boolean;
    }

    static long integer(@Nullable Object value) {
        return switch (value) {
            case Long number -> number;
            case Boolean flag -> flag ? 1 : 0;
            case null -> throw TemplateException.evaluation("expected an integer, got None");
            default -> throw TemplateException.evaluation("expected an integer, got " + typeName(value));
        };
    }

    static double number(@Nullable Object value) {
        return value instanceof Double number ? number : integer(value);
    }

    static Text text(@Nullable Object value) {
        if (value instanceof Text text) {
            return text;
        }
        throw TemplateException.evaluation("expected a string, got " + typeName(value));
    }

    /** The items of a list, the keys of a map, the characters of a string. */
    static List<@Nullable Object> items(@Nullable Object value) {
        return switch (value) {
            case List<?> list -> new ArrayList<>(list);
            case Map<?, ?> map -> {
                List<@Nullable Object> keys = new ArrayList<>();
                map.keySet().forEach(key -> keys.add(keyText(map, (String) key)));
                yield keys;
            }
            case Text text -> {
                List<@Nullable Object> characters = new ArrayList<>();
                for (int i = 0; i < text.length(); ) {
                    int end = text.chars().offsetByCodePoints(i, 1);
                    characters.add(text.slice(i, end));
                    i = end;
                }
                yield characters;
            }
            case Undefined undefined -> new ArrayList<>();
            case null -> throw TemplateException.evaluation("None is not iterable");
            default -> throw TemplateException.evaluation(typeName(value) + " is not iterable");
        };
    }

    /** Keys carry no marks of their own; they count as the client's, since maps come from the client. */
    static Text keyText(Map<?, ?> map, String key) {
        return Text.derived(key, !map.isEmpty());
    }

    /** What {@code {{ value }}} prints. */
    static Text print(@Nullable Object value) {
        return switch (value) {
            case Text text -> text;
            case Undefined undefined -> Text.EMPTY;
            case null -> Text.own("None");
            default -> Text.derived(PythonText.of(value), hasClient(value));
        };
    }

    /** True if anything in the value came from the client. */
    static boolean hasClient(@Nullable Object value) {
        return switch (value) {
            case Text text -> text.hasClient();
            case List<?> list -> list.stream().anyMatch(Values::hasClient);
            case Map<?, ?> map -> !map.isEmpty();
            case null -> false;
            default -> false;
        };
    }

    static String typeName(@Nullable Object value) {
        return switch (value) {
            case null -> "None";
            case Boolean flag -> "a boolean";
            case Long number -> "an integer";
            case Double number -> "a float";
            case Text text -> "a string";
            case List<?> list -> "a list";
            case Map<?, ?> map -> "a mapping";
            case Undefined undefined -> "the undefined '" + undefined.what() + "'";
            default -> "a function";
        };
    }
}
