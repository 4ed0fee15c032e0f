package dev.sluice.jinja;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Writes values as Python's {@code json.dumps} does. */
final class JsonText {

    /**
     * How to write.
     *
     * @param indent what one level is indented by; null writes one line
     */
    record Style(@Nullable String indent, String itemSeparator, String keySeparator, boolean sortKeys, boolean ascii) {}

    private final Style style;
    private final StringBuilder out = new StringBuilder();

    private JsonText(Style style) {
        this.style = style;
    }

    static String of(@Nullable Object value, Style style) {
        JsonText json = new JsonText(style);
        json.write(value, 0);
        return json.out.toString();
    }

    private void write(@Nullable Object value, int level) {
        switch (value) {
            case null -> out.append("null");
            case Boolean flag -> out.append(flag);
            case Long number -> out.append(number);
            case Double number -> out.append(number(number));
            case Text text -> quote(text.chars());
            case List<?> list -> {
                out.append('[');
                for (int i = 0; i < list.size(); i++) {
                    separate(i == 0, level + 1);
                    write(list.get(i), level + 1);
                }
                close(list.isEmpty(), level, ']');
            }
            case Map<?, ?> map -> {
                out.append('{');
                boolean first = true;
                for (Map.Entry<?, ?> entry : (style.sortKeys() ? new TreeMap<>(map) : map).entrySet()) {
                    separate(first, level + 1);
                    quote(String.valueOf(entry.getKey()));
                    out.append(style.keySeparator());
                    write(entry.getValue(), level + 1);
                    first = false;
                }
                close(first, level, '}');
            }
            default -> throw TemplateException.evaluation(Values.typeName(value) + " is not JSON serializable");
        }
    }

    private static String number(double value) {
        if (Double.isInfinite(value)) {
            return value > 0 ? "Infinity" : "-Infinity";
        }
        return Double.isNaN(value) ? "NaN" : PythonText.number(value);
    }

    private void separate(boolean first, int level) {
        if (!first) {
            out.append(style.itemSeparator());
        }
        newLine(level);
    }

    private void close(boolean empty, int level, char bracket) {
        if (!empty) {
            newLine(level);
        }
        out.append(bracket);
    }

    private void newLine(int level) {
        if (style.indent() != null) {
            out.append('\n').repeat(style.indent(), level);
        }
    }

    private void quote(String text) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                case '\b' -> out.append("\\b");
                case '\f' -> out.append("\\f");
                default -> {
                    if (c < ' ' || (style.ascii() && c > '~')) {
                        out.append(String.format("\\u%04x", (int) c));
                    } else {
                        out.append(c);
                    }
                }
            }
        }
        out.append('"');
    }
}
