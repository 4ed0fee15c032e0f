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
            case "map" -> map(value, args, named);
            case "select" -> select(value, args, true);
            case "reject" -> select(value, args, false);
            case "selectattr" -> selectAttribute(value, args, true);
            case "rejectattr" -> selectAttribute(value, args, false);
            case "replace" ->
                Methods.replace(
                        Values.print(value),
                        Parameters.positional(name, List.of("old", "new", "count"), args, named),
                        budget);
            default -> apply(value, name, Parameters.bound(name, parameters(name), args, named));
        };
    }

    /** The parameters that are known here, in Jinja's order; {@code tojson}'s are those of Hugging Face. */
    private static List<String> parameters(String name) {
        return switch (name) {
            case "trim" -> List.of("chars");
            case "tojson" -> List.of("ensure_ascii", "indent", "separators", "sort_keys");
            case "default", "d" -> List.of("default_value", "boolean");
            case "join" -> List.of("d", "attribute");
            case "unique" -> List.of("case_sensitive", "attribute");
            case "sort" -> List.of("reverse", "case_sensitive", "attribute");
            case "indent" -> List.of("width", "first", "blank");
            case "int", "float" -> List.of("default");
            case "round" -> List.of("precision", "method");
            case "sum" -> List.of("attribute");
            case "length",
                    "count",
                    "upper",
                    "lower",
                    "capitalize",
                    "title",
                    "string",
                    "safe",
                    "e",
                    "escape",
                    "forceescape",
                    "first",
                    "last",
                    "list",
                    "items",
                    "reverse",
                    "dictsort",
                    "abs",
                    "max",
                    "min" -> List.of();
            default -> throw TemplateException.evaluation("there is no filter '" + name + "'");
        };
    }

    private @Nullable Object apply(@Nullable Object value, String name, Map<String, @Nullable Object> given) {
        return switch (name) {
            case "trim" -> {
                Object set = given.get("chars");
                yield Values.print(value)
                        .strip(set == null ? null : Values.text(set).chars(), true, true);
            }
            case "tojson" -> json(value, given);
            case "length", "count" -> length(value);
            case "upper" -> derived(value, Values.print(value).chars().toUpperCase(Locale.ROOT));
            case "lower" -> derived(value, Values.print(value).chars().toLowerCase(Locale.ROOT));
            case "capitalize" ->
                derived(value, Methods.capitalize(Values.print(value).chars()));
            case "title" ->
                derived(value, Methods.titleFilter(Values.print(value).chars()));
            case "string" -> Values.print(value);
            case "safe" -> value;
            case "e", "escape", "forceescape" -> escaped(Values.print(value));
            case "default", "d" -> orDefault(value, given);
            case "join" -> join(value, given);
            case "first" -> at(Values.items(value), true);
            case "last" -> at(Values.items(value), false);
            case "list" -> Values.items(value);
            case "items" -> value instanceof Map<?, ?> map ? Methods.items(map) : Values.items(value);
            case "reverse" -> reversed(value);
            case "unique" -> unique(Values.items(value), given);
            case "sort" -> sorted(value, given);
            case "dictsort" -> dictSorted(value);
            case "indent" -> indent(value, given);
            case "int" -> toInteger(value, given.getOrDefault("default", 0L));
            case "float" -> toFloat(value, given.getOrDefault("default", 0.0));
            case "abs" -> value instanceof Double number ? Math.abs(number) : (Object) Math.abs(Values.integer(value));
            case "round" -> round(value, given);
            case "sum" -> sum(members(Values.items(value), given.get("attribute")));
            case "max" -> Collections.max(Values.items(value), Filters::order);
            case "min" -> Collections.min(Values.items(value), Filters::order);
            default -> throw TemplateException.evaluation("there is no filter '" + name + "'");
        };
    }

    private static Text derived(@Nullable Object source, String chars) {
        return Text.derived(chars, Values.hasClient(source));
    }

    private Text json(@Nullable Object value, Map<String, @Nullable Object> given) {
        Object indent = given.get("indent");
        Object separators = given.get("separators");
        String item = indent == null ? ", " : ",";
        String key = ": ";
        if (separators != null) {
            List<@Nullable Object> pair = Values.items(separators);
            item = Values.text(pair.get(0)).chars();
            key = Values.text(pair.get(1)).chars();
        }
        JsonText.Style style = new JsonText.Style(
                indent == null ? null : margin(indent, 16),
                item,
                key,
                Values.isTrue(given.get("sort_keys")),
                Values.isTrue(given.get("ensure_ascii")));
        String json = JsonText.of(value, style);
        budget.characters(json.length());
        return derived(value, json);
    }

    /** So many blanks, or the string itself. */
    private static String margin(@Nullable Object width, int max) {
        String margin =
                width instanceof Text text ? text.chars() : " ".repeat(Math.clamp(Values.integer(width), 0, max + 1));
        if (margin.length() > max) {
            throw TemplateException.evaluation("an indent of more than " + max + " characters");
        }
        return margin;
    }

    private static Text escaped(Text text) {
        return text.replace("&", Text.own("&amp;"), -1)
                .replace("<", Text.own("&lt;"), -1)
                .replace(">", Text.own("&gt;"), -1)
                .replace("'", Text.own("&#39;"), -1)
                .replace("\"", Text.own("&#34;"), -1);
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

    private static @Nullable Object orDefault(@Nullable Object value, Map<String, @Nullable Object> given) {
        boolean replace = value instanceof Undefined || (Values.isTrue(given.get("boolean")) && !Values.isTrue(value));
        return replace ? given.getOrDefault("default_value", Text.EMPTY) : value;
    }

    private Text join(@Nullable Object value, Map<String, @Nullable Object> given) {
        Text separator = Values.text(given.getOrDefault("d", Text.EMPTY));
        return Methods.join(separator, members(Values.items(value), given.get("attribute")), budget);
    }

    private static List<@Nullable Object> members(List<@Nullable Object> items, @Nullable Object attribute) {
        if (attribute != null) {
            items.replaceAll(item -> member(item, attribute));
        }
        return items;
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

    private List<@Nullable Object> unique(List<@Nullable Object> items, Map<String, @Nullable Object> given) {
        List<@Nullable Object> result = new ArrayList<>();
        List<@Nullable Object> keys = new ArrayList<>();
        for (Object item : items) {
            budget.step();
            Object key = key(item, given);
            if (keys.stream().noneMatch(other -> Values.equal(other, key))) {
                keys.add(key);
                result.add(item);
            }
        }
        return result;
    }

    private static List<@Nullable Object> sorted(@Nullable Object value, Map<String, @Nullable Object> given) {
        List<@Nullable Object> items = Values.items(value);
        Comparator<@Nullable Object> order = (a, b) -> Values.compare(key(a, given), key(b, given));
        items.sort(Values.isTrue(given.get("reverse")) ? order.reversed() : order);
        return items;
    }

    /** What an item is sorted and compared by. */
    private static @Nullable Object key(@Nullable Object item, Map<String, @Nullable Object> given) {
        Object attribute = given.get("attribute");
        Object key = attribute == null ? item : member(item, attribute);
        return key instanceof Text text && !Values.isTrue(given.get("case_sensitive"))
                ? Text.own(text.chars().toLowerCase(Locale.ROOT))
                : key;
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
        if (args.isEmpty()) {
            Map<String, @Nullable Object> given = Parameters.bound("map", List.of("attribute", "default"), args, named);
            Object attribute = given.get("attribute");
            if (attribute == null) {
                throw TemplateException.evaluation("map needs a filter or an attribute");
            }
            items.replaceAll(item -> {
                Object member = member(item, attribute);
                return member instanceof Undefined && given.containsKey("default") ? given.get("default") : member;
            });
        } else {
            String filter = Values.text(args.getFirst()).chars();
            List<@Nullable Object> rest = args.subList(1, args.size());
            items.replaceAll(item -> {
                budget.step();
                return apply(item, filter, rest, named);
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

    private Text indent(@Nullable Object value, Map<String, @Nullable Object> given) {
        Object width = given.getOrDefault("width", 4L);
        boolean first = Values.isTrue(given.get("first"));
        boolean blank = Values.isTrue(given.get("blank"));
        Text pad = width instanceof Text text ? text : Text.own(margin(width, 64));
        List<Object> lines = Values.print(value).split("\n", -1);
        Text.Builder out = new Text.Builder();
        for (int i = 0; i < lines.size(); i++) {
            Text line = Values.text(lines.get(i));
            budget.characters(line.length() + pad.length() + 1L);
            out.append(i == 0 ? Text.EMPTY : Text.own("\n"));
            out.append(i == 0 ? first ? pad : Text.EMPTY : blank || !line.isEmpty() ? pad : Text.EMPTY);
            out.append(line);
        }
        return out.build();
    }

    private static @Nullable Object toInteger(@Nullable Object value, @Nullable Object absent) {
        try {
            if (value instanceof Text text) {
                return (long) parse(text);
            }
            return value instanceof Double number ? number.longValue() : Values.integer(value);
        } catch (NumberFormatException | TemplateException e) {
            return absent;
        }
    }

    private static @Nullable Object toFloat(@Nullable Object value, @Nullable Object absent) {
        try {
            return value instanceof Text text ? parse(text) : Values.number(value);
        } catch (NumberFormatException | TemplateException e) {
            return absent;
        }
    }

    private static double parse(Text text) {
        String number = text.chars().strip();
        if (number.endsWith("d") || number.endsWith("D") || number.endsWith("f") || number.endsWith("F")) {
            throw new NumberFormatException("Java's suffixes are none of Python's");
        }
        return Double.parseDouble(number);
    }

    private static Object round(@Nullable Object value, Map<String, @Nullable Object> given) {
        double factor = Math.pow(10, (double) Values.integer(given.getOrDefault("precision", 0L)));
        double scaled = Values.number(value) * factor;
        String method =
                Values.print(given.getOrDefault("method", Text.own("common"))).chars();
        double rounded = switch (method) {
            case "common" -> Math.rint(scaled);
            case "ceil" -> Math.ceil(scaled);
            case "floor" -> Math.floor(scaled);
            default -> throw TemplateException.evaluation("round knows no method '" + method + "'");
        };
        // As in Python, an integer stays one unless a method is named.
        return value instanceof Long && method.equals("common")
                ? (Object) (long) (rounded / factor)
                : (Object) (rounded / factor);
    }

    private static Object sum(List<@Nullable Object> items) {
        if (items.stream().allMatch(Values::isIntegral)) {
            return items.stream().mapToLong(Values::integer).sum();
        }
        return items.stream().mapToDouble(Values::number).sum();
    }
}
