package dev.sluice.jinja;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The filters behind {@code |}. */
final class Filters {

    private final Budget budget;

    Filters(Budget budget) {
        this.budget = budget;
    }

    @Nullable
    Object apply(
            @Nullable Object value, String name, List<@Nullable Object> args, Map<String, @Nullable Object> named) {
        return switch (name) {
            case "trim" ->
                Values.print(value)
                        .strip(
                                args.isEmpty()
                                        ? null
                                        : Values.text(args.getFirst()).chars(),
                                true,
                                true);
            case "tojson" -> json(value, args, named);
            case "length", "count" -> length(value);
            case "upper" -> derived(value, Values.print(value).chars().toUpperCase(Locale.ROOT));
            case "lower" -> derived(value, Values.print(value).chars().toLowerCase(Locale.ROOT));
            case "capitalize" ->
                derived(value, Methods.capitalize(Values.print(value).chars()));
            case "title" -> derived(value, Methods.title(Values.print(value).chars()));
            case "string" -> Values.print(value);
            case "safe", "e", "escape", "forceescape" -> value; // HTML is not what a prompt is made of
            case "default", "d" -> orDefault(value, args, named);
            case "join" -> join(value, args, named);
            case "first" -> at(Values.items(value), true);
            case "last" -> at(Values.items(value), false);
            case "list" -> Values.items(value);
            case "items" -> value instanceof Map<?, ?> map ? Methods.items(map) : Values.items(value);
            case "reverse" -> reversed(value);
            case "unique" -> unique(Values.items(value));
            case "sort" -> sorted(value, args, named);
            case "dictsort" -> dictSorted(value);
            case "map" -> map(value, args, named);
            case "select" -> select(value, args, true);
            case "reject" -> select(value, args, false);
            case "selectattr" -> selectAttribute(value, args, true);
            case "rejectattr" -> selectAttribute(value, args, false);
            case "replace" -> Methods.replace(Values.print(value), args, budget);
            case "indent" -> indent(value, args, named);
            case "int" -> toInteger(value, args);
            case "float" -> toFloat(value, args);
            case "abs" -> value instanceof Double number ? Math.abs(number) : (Object) Math.abs(Values.integer(value));
            case "round" -> round(value, args);
            case "sum" -> sum(Values.items(value));
            case "max" -> Collections.max(Values.items(value), Values::compare);
            case "min" -> Collections.min(Values.items(value), Values::compare);
            default -> throw TemplateException.evaluation("there is no filter '" + name + "'");
        };
    }

    private static Text derived(@Nullable Object source, String chars) {
        return Text.derived(chars, Values.hasClient(source));
    }

    private Text json(@Nullable Object value, List<@Nullable Object> args, Map<String, @Nullable Object> named) {
        Object indent = args.isEmpty() ? named.get("indent") : args.getFirst();
        String json = PythonText.json(value, indent == null ? -1 : Math.clamp(Values.integer(indent), 0, 16));
        budget.characters(json.length());
        return derived(value, json);
    }

    private static long length(@Nullable Object value) {
        return switch (value) {
            case Text text -> text.chars().codePointCount(0, text.length());
            case List<?> list -> list.size();
            case Map<?, ?> map -> map.size();
            case Undefined undefined -> 0;
            case null -> throw TemplateException.evaluation("None has no length");
            default -> throw TemplateException.evaluation(Values.typeName(value) + " has no length");
        };
    }

    private static @Nullable Object orDefault(
            @Nullable Object value, List<@Nullable Object> args, Map<String, @Nullable Object> named) {
        Object fallback = args.isEmpty() ? named.getOrDefault("default_value", Text.EMPTY) : args.getFirst();
        Object boolMode = args.size() > 1 ? args.get(1) : named.get("boolean");
        boolean replace = value instanceof Undefined || (Values.isTrue(boolMode) && !Values.isTrue(value));
        return replace ? fallback : value;
    }

    private Text join(@Nullable Object value, List<@Nullable Object> args, Map<String, @Nullable Object> named) {
        Text separator = args.isEmpty() ? Text.EMPTY : Values.text(args.getFirst());
        List<@Nullable Object> items = Values.items(value);
        Object attribute = named.get("attribute");
        if (attribute != null) {
            items.replaceAll(item -> member(item, attribute));
        }
        return Methods.join(separator, items, budget);
    }

    private static @Nullable Object at(List<@Nullable Object> items, boolean first) {
        if (items.isEmpty()) {
            return new Undefined("the first or last item of nothing");
        }
        return first ? items.getFirst() : items.getLast();
    }

    private Object reversed(@Nullable Object value) {
        List<@Nullable Object> items = Values.items(value);
        Collections.reverse(items);
        return value instanceof Text ? Methods.join(Text.EMPTY, items, budget) : items;
    }

    private List<@Nullable Object> unique(List<@Nullable Object> items) {
        List<@Nullable Object> result = new ArrayList<>();
        for (Object item : items) {
            budget.step();
            if (result.stream().noneMatch(other -> Values.equal(other, item))) {
                result.add(item);
            }
        }
        return result;
    }

    private static List<@Nullable Object> sorted(
            @Nullable Object value, List<@Nullable Object> args, Map<String, @Nullable Object> named) {
        List<@Nullable Object> items = Values.items(value);
        Object attribute = named.get("attribute");
        Comparator<@Nullable Object> order =
                (a, b) -> attribute == null ? order(a, b) : order(member(a, attribute), member(b, attribute));
        boolean descending = Values.isTrue(args.isEmpty() ? named.get("reverse") : args.getFirst());
        items.sort(descending ? order.reversed() : order);
        return items;
    }

    /** Sorting ignores case, as Jinja's does. */
    private static int order(@Nullable Object a, @Nullable Object b) {
        return a instanceof Text x && b instanceof Text y
                ? x.chars().toLowerCase(Locale.ROOT).compareTo(y.chars().toLowerCase(Locale.ROOT))
                : Values.compare(a, b);
    }

    private static List<@Nullable Object> dictSorted(@Nullable Object value) {
        if (!(value instanceof Map<?, ?> map)) {
            throw TemplateException.evaluation("dictsort needs a mapping, got " + Values.typeName(value));
        }
        List<@Nullable Object> items = Methods.items(map);
        items.sort((a, b) -> order(((List<?>) a).getFirst(), ((List<?>) b).getFirst()));
        return items;
    }

    private List<@Nullable Object> map(
            @Nullable Object value, List<@Nullable Object> args, Map<String, @Nullable Object> named) {
        List<@Nullable Object> items = Values.items(value);
        Object attribute = named.get("attribute");
        if (attribute != null) {
            items.replaceAll(item -> {
                Object member = member(item, attribute);
                return member instanceof Undefined && named.containsKey("default") ? named.get("default") : member;
            });
        } else {
            String filter = Values.text(args.getFirst()).chars();
            List<@Nullable Object> rest = args.subList(1, args.size());
            items.replaceAll(item -> {
                budget.step();
                return apply(item, filter, rest, Map.of());
            });
        }
        return items;
    }

    private static List<@Nullable Object> select(@Nullable Object value, List<@Nullable Object> args, boolean keep) {
        List<@Nullable Object> items = Values.items(value);
        items.removeIf(item -> test(item, args, 0) != keep);
        return items;
    }

    private static List<@Nullable Object> selectAttribute(
            @Nullable Object value, List<@Nullable Object> args, boolean keep) {
        List<@Nullable Object> items = Values.items(value);
        Object attribute = args.getFirst();
        items.removeIf(item -> test(member(item, attribute), args, 1) != keep);
        return items;
    }

    private static boolean test(@Nullable Object value, List<@Nullable Object> args, int at) {
        return args.size() <= at
                ? Values.isTrue(value)
                : Tests.holds(value, Values.text(args.get(at)).chars(), args.subList(at + 1, args.size()));
    }

    /** A dotted path into nested mappings. */
    private static @Nullable Object member(@Nullable Object item, @Nullable Object path) {
        Object value = item;
        for (Object part : Values.print(path).split(".", -1)) {
            String key = Values.text(part).chars();
            value = value instanceof Map<?, ?> map && map.containsKey(key) ? map.get(key) : new Undefined(key);
        }
        return value;
    }

    private Text indent(@Nullable Object value, List<@Nullable Object> args, Map<String, @Nullable Object> named) {
        Object width = args.isEmpty() ? named.getOrDefault("width", 4L) : args.getFirst();
        boolean first = Values.isTrue(args.size() > 1 ? args.get(1) : named.get("first"));
        Text pad = Text.own(" ".repeat(Math.clamp(Values.integer(width), 0, 64)));
        List<Object> lines = Values.print(value).split("\n", -1);
        Text.Builder out = new Text.Builder();
        for (int i = 0; i < lines.size(); i++) {
            Text line = Values.text(lines.get(i));
            budget.characters(line.length() + 65L);
            out.append(i == 0 ? Text.EMPTY : Text.own("\n"));
            out.append((i > 0 || first) && !line.isEmpty() ? pad : Text.EMPTY);
            out.append(line);
        }
        return out.build();
    }

    private static Object toInteger(@Nullable Object value, List<@Nullable Object> args) {
        try {
            if (value instanceof Text text) {
                return (long) Double.parseDouble(text.chars().strip());
            }
            return value instanceof Double number ? number.longValue() : Values.integer(value);
        } catch (NumberFormatException | TemplateException e) {
            return args.isEmpty() ? 0L : Values.integer(args.getFirst());
        }
    }

    private static Object toFloat(@Nullable Object value, List<@Nullable Object> args) {
        try {
            return value instanceof Text text ? Double.parseDouble(text.chars().strip()) : Values.number(value);
        } catch (NumberFormatException | TemplateException e) {
            return args.isEmpty() ? 0.0 : Values.number(args.getFirst());
        }
    }

    private static Object round(@Nullable Object value, List<@Nullable Object> args) {
        double factor = Math.pow(10, args.isEmpty() ? 0 : (double) Values.integer(args.getFirst()));
        return Math.rint(Values.number(value) * factor) / factor;
    }

    private static Object sum(List<@Nullable Object> items) {
        if (items.stream().allMatch(Values::isIntegral)) {
            return items.stream().mapToLong(Values::integer).sum();
        }
        return items.stream().mapToDouble(Values::number).sum();
    }
}
