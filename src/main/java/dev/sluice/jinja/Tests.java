package dev.sluice.jinja;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The tests behind {@code is}. */
final class Tests {

    private Tests() {}

    static boolean holds(@Nullable Object value, String name, List<@Nullable Object> args) {
        return switch (name) {
            case "defined" -> !(value instanceof Undefined);
            case "undefined" -> value instanceof Undefined;
            case "none" -> value == null;
            case "boolean" -> value instanceof Boolean;
            case "true" -> Boolean.TRUE.equals(value);
            case "false" -> Boolean.FALSE.equals(value);
            case "string" -> value instanceof Text;
            case "number" -> Values.isNumber(value);
            case "integer" -> value instanceof Long;
            case "float" -> value instanceof Double;
            case "mapping" -> value instanceof Map;
            case "sequence" -> value instanceof List || value instanceof Map || value instanceof Text;
            case "iterable" ->
                value instanceof List || value instanceof Map || value instanceof Text || value instanceof Undefined;
            case "callable" -> value instanceof Callable;
            case "odd" -> Math.floorMod(Values.integer(value), 2L) == 1;
            case "even" -> Math.floorMod(Values.integer(value), 2L) == 0;
            case "divisibleby" -> Math.floorMod(Values.integer(value), Values.integer(args.getFirst())) == 0;
            case "eq", "equalto", "sameas" -> Values.equal(value, args.getFirst());
            case "ne" -> !Values.equal(value, args.getFirst());
            case "lt", "lessthan" -> Values.compare(value, args.getFirst()) < 0;
            case "le" -> Values.compare(value, args.getFirst()) <= 0;
            case "gt", "greaterthan" -> Values.compare(value, args.getFirst()) > 0;
            case "ge" -> Values.compare(value, args.getFirst()) >= 0;
            case "in" -> contains(args.getFirst(), value);
            case "upper" ->
                Values.text(value).chars().equals(Values.text(value).chars().toUpperCase(Locale.ROOT));
            case "lower" ->
                Values.text(value).chars().equals(Values.text(value).chars().toLowerCase(Locale.ROOT));
            default -> throw TemplateException.evaluation("there is no test '" + name + "'");
        };
    }

    /** {@code item in container}. */
    static boolean contains(@Nullable Object container, @Nullable Object item) {
        return switch (container) {
            case Text text -> text.chars().contains(Values.text(item).chars());
            case List<?> list -> list.stream().anyMatch(each -> Values.equal(each, item));
            case Map<?, ?> map -> item instanceof Text key && map.containsKey(key.chars());
            case Undefined undefined -> false;
            case null -> throw TemplateException.evaluation("None is not a container");
            default -> throw TemplateException.evaluation(Values.typeName(container) + " is not a container");
        };
    }
}
