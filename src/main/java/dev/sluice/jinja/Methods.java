package dev.sluice.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** The methods of Python's strings, mappings and lists that templates call; none of them changes its object. */
final class Methods {

    private Methods() {}

    /** The method of that name bound to the object, or null. */
    static @Nullable Callable find(@Nullable Object target, String name, Budget budget) {
        if (target instanceof Text text && isTextMethod(name)) {
            return (List<@Nullable Object> args, Map<String, @Nullable Object> named) ->
                    onText(text, name, Parameters.positional(name, textParameters(name), args, named), budget);
        }
        if (target instanceof Map<?, ?> map) {
            return mapMethod(map, name);
        }
        return target instanceof List<?> list ? listMethod(list, name) : null;
    }

    private static boolean isTextMethod(String name) {
        return switch (name) {
            case "strip",
                    "lstrip",
                    "rstrip",
                    "split",
                    "rsplit",
                    "splitlines",
                    "startswith",
                    "endswith",
                    "replace",
                    "upper",
                    "lower",
                    "title",
                    "capitalize",
                    "find",
                    "rfind",
                    "count",
                    "join",
                    "removeprefix",
                    "removesuffix",
                    "isdigit",
                    "isspace" -> true;
            default -> false;
        };
    }

    /** The parameters that are known here; Python has more, and one that is ignored would change the text. */
    private static List<String> textParameters(String name) {
        return switch (name) {
            case "strip", "lstrip", "rstrip" -> List.of("chars");
            case "split", "rsplit" -> List.of("sep", "maxsplit");
            case "startswith", "endswith" -> List.of("affix");
            case "replace" -> List.of("old", "new", "count");
            case "find", "rfind", "count" -> List.of("sub");
            case "join" -> List.of("iterable");
            case "removeprefix", "removesuffix" -> List.of("affix");
            default -> List.of();
        };
    }

    private static @Nullable Object onText(Text text, String name, List<@Nullable Object> args, Budget budget) {
        return switch (name) {
            case "strip" -> text.strip(characters(args), true, true);
            case "lstrip" -> text.strip(characters(args), true, false);
            case "rstrip" -> text.strip(characters(args), false, true);
            case "split" -> split(text, args);
            case "rsplit" -> rsplit(text, args);
            case "splitlines" -> lines(text);
            case "startswith" -> anyOf(args, affix -> text.chars().startsWith(affix));
            case "endswith" -> anyOf(args, affix -> text.chars().endsWith(affix));
            case "replace" -> replace(text, args, budget);
            case "upper" -> same(text, text.chars().toUpperCase(Locale.ROOT));
            case "lower" -> same(text, text.chars().toLowerCase(Locale.ROOT));
            case "title" -> same(text, title(text.chars()));
            case "capitalize" -> same(text, capitalize(text.chars()));
            case "find" ->
                position(text, text.chars().indexOf(Values.text(args.getFirst()).chars()));
            case "rfind" ->
                position(
                        text,
                        text.chars().lastIndexOf(Values.text(args.getFirst()).chars()));
            case "count" ->
                (long) text.split(Values.text(args.getFirst()).chars(), -1).size() - 1;
            case "join" -> join(text, Values.items(args.getFirst()), budget);
            case "removeprefix" -> {
                String prefix = Values.text(args.getFirst()).chars();
                yield text.chars().startsWith(prefix) ? text.slice(prefix.length(), text.length()) : text;
            }
            case "removesuffix" -> {
                String suffix = Values.text(args.getFirst()).chars();
                yield text.chars().endsWith(suffix) ? text.slice(0, text.length() - suffix.length()) : text;
            }
            case "isdigit" -> !text.isEmpty() && text.chars().chars().allMatch(Character::isDigit);
            case "isspace" -> !text.isEmpty() && text.strip(null, true, true).isEmpty();
            default -> throw TemplateException.evaluation("a string has no method '" + name + "'");
        };
    }

    static Text replace(Text text, List<@Nullable Object> args, Budget budget) {
        Text target = Values.text(args.get(0));
        Text replacement = Values.text(args.get(1));
        budget.characters((long) (text.length() + 1) * (replacement.length() + 1));
        return text.replace(target.chars(), replacement, args.size() > 2 ? (int) Values.integer(args.get(2)) : -1);
    }

    /** Same characters in another form: the marks stay where lengths agree. */
    private static Text same(Text source, String changed) {
        return Text.derived(changed, source.hasClient());
    }

    /** Python counts characters, Java halves of some. */
    private static long position(Text text, int at) {
        return at < 0 ? -1 : text.chars().codePointCount(0, at);
    }

    private static @Nullable String characters(List<@Nullable Object> args) {
        return args.isEmpty() || args.getFirst() == null
                ? null
                : Values.text(args.getFirst()).chars();
    }

    private static List<Object> split(Text text, List<@Nullable Object> args) {
        if (args.isEmpty() || args.getFirst() == null) {
            return text.splitWhitespace(args.size() > 1 ? (int) Values.integer(args.get(1)) : -1);
        }
        return text.split(separator(args), args.size() > 1 ? (int) Values.integer(args.get(1)) : -1);
    }

    private static List<Object> rsplit(Text text, List<@Nullable Object> args) {
        int limit = args.size() > 1 ? (int) Values.integer(args.get(1)) : -1;
        if (limit < 0) {
            return split(text, args);
        }
        if (args.getFirst() == null) {
            throw TemplateException.evaluation("rsplit at white space takes no limit here");
        }
        String separator = separator(args);
        List<Object> parts = new ArrayList<>();
        int end = text.length();
        while (parts.size() < limit) {
            int at = text.chars().lastIndexOf(separator, end - separator.length());
            if (at < 0 || end < separator.length()) {
                break;
            }
            parts.addFirst(text.slice(at + separator.length(), end));
            end = at;
        }
        parts.addFirst(text.slice(0, end));
        return parts;
    }

    private static String separator(List<@Nullable Object> args) {
        Text separator = Values.text(args.getFirst());
        if (separator.isEmpty()) {
            throw TemplateException.evaluation("empty separator");
        }
        return separator.chars();
    }

    private static List<Object> lines(Text text) {
        List<Object> lines = text.replace("\r\n", Text.own("\n"), -1).split("\n", -1);
        if (lines.getLast() instanceof Text last && last.isEmpty()) {
            lines.removeLast();
        }
        return lines;
    }

    private static boolean anyOf(List<@Nullable Object> args, Predicate<String> test) {
        List<@Nullable Object> affixes = args.getFirst() instanceof List<?> list ? new ArrayList<>(list) : args;
        return affixes.stream().anyMatch(affix -> test.test(Values.text(affix).chars()));
    }

    static String capitalize(String text) {
        return text.isEmpty()
                ? text
                : text.substring(0, 1).toUpperCase(Locale.ROOT)
                        + text.substring(1).toLowerCase(Locale.ROOT);
    }

    static String title(String text) {
        StringBuilder out = new StringBuilder();
        boolean start = true;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            out.append(start ? Character.toUpperCase(c) : Character.toLowerCase(c));
            start = !Character.isLetter(c);
        }
        return out.toString();
    }

    /** Words as the filter sees them; an apostrophe ends none, unlike in the method. */
    static String titleFilter(String text) {
        StringBuilder out = new StringBuilder();
        boolean start = true;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            out.append(start ? Character.toUpperCase(c) : Character.toLowerCase(c));
            start = "-({[<".indexOf(c) >= 0 || Character.isWhitespace(c);
        }
        return out.toString();
    }

    static Text join(Text separator, List<@Nullable Object> items, Budget budget) {
        Text.Builder out = new Text.Builder();
        for (int i = 0; i < items.size(); i++) {
            Text item = Values.print(items.get(i));
            budget.characters(item.length() + (long) separator.length());
            if (i > 0) {
                out.append(separator);
            }
            out.append(item);
        }
        return out.build();
    }

    private static @Nullable Callable mapMethod(Map<?, ?> map, String name) {
        return switch (name) {
            case "items" -> (args, named) -> items(map);
            case "keys" -> (args, named) -> Values.items(map);
            case "values" -> (args, named) -> new ArrayList<@Nullable Object>(map.values());
            case "get" ->
                (args, named) -> {
                    String key = String.valueOf(args.getFirst());
                    return map.containsKey(key) ? map.get(key) : args.size() > 1 ? args.get(1) : null;
                };
            case "copy" -> (args, named) -> map;
            default -> null;
        };
    }

    static List<@Nullable Object> items(Map<?, ?> map) {
        List<@Nullable Object> items = new ArrayList<>();
        map.forEach((key, value) -> {
            List<@Nullable Object> pair = new ArrayList<>();
            pair.add(Values.keyText(map, (String) key));
            pair.add(value);
            items.add(new Tuple(pair));
        });
        return items;
    }

    private static @Nullable Callable listMethod(List<?> list, String name) {
        return switch (name) {
            case "index" ->
                (args, named) -> {
                    for (int i = 0; i < list.size(); i++) {
                        if (Values.equal(list.get(i), args.getFirst())) {
                            return (long) i;
                        }
                    }
                    throw TemplateException.evaluation("the list does not hold that value");
                };
            case "count" ->
                (args, named) -> list.stream()
                        .filter(item -> Values.equal(item, args.getFirst()))
                        .count();
            case "copy" -> (args, named) -> list;
            default -> null;
        };
    }
}
