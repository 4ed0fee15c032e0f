package dev.sluice.jinja;

import java.math.BigDecimal;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** How Python's {@code str} and {@code json.dumps} write values. */
final class PythonText {

    private PythonText() {}

    /** {@code str(value)}. */
    static String of(@Nullable Object value) {
        return value instanceof Text text ? text.chars() : representation(value);
    }

    private static String representation(@Nullable Object value) {
        StringBuilder out = new StringBuilder();
        represent(value, out);
        return out.toString();
    }

    private static void represent(@Nullable Object value, StringBuilder out) {
        switch (value) {
            case null -> out.append("None");
            case Boolean flag -> out.append(flag ? "True" : "False");
            case Double number -> out.append(number(number));
            case Text text -> quote(text.chars(), out);
            case List<?> list -> {
                out.append('[');
                for (int i = 0; i < list.size(); i++) {
                    out.append(i == 0 ? "" : ", ");
                    represent(list.get(i), out);
                }
                out.append(']');
            }
            case Map<?, ?> map -> {
                out.append('{');
                String separator = "";
                for (Map.Entry<?, ?> entry : map.entrySet()) {
                    out.append(separator);
                    quote(String.valueOf(entry.getKey()), out);
                    out.append(": ");
                    represent(entry.getValue(), out);
                    separator = ", ";
                }
                out.append('}');
            }
            case Undefined undefined -> out.append("Undefined");
            case Callable callable -> out.append("<function>");
            default -> out.append(value);
        }
    }

    private static void quote(String text, StringBuilder out) {
        char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
        out.append(quote);
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                case '\\' -> out.append("\\\\");
                default -> {
                    if (c == quote) {
                        out.append('\\').append(c);
                    } else if (c < ' ' || c == 0x7f) {
                        out.append(String.format("\\x%02x", (int) c));
                    } else {
                        out.append(c);
                    }
                }
            }
        }
        out.append(quote);
    }

    /** The shortest decimal that reads back as the same number, in Python's choice of notation. */
    static String number(double value) {
        if (Double.isNaN(value) || Double.isInfinite(value)) {
            return Double.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
        }
        double size = Math.abs(value);
        if (size != 0 && (size < 1e-4 || size >= 1e16)) {
            BigDecimal decimal = new BigDecimal(Double.toString(value)).stripTrailingZeros();
            String digits = decimal.unscaledValue().abs().toString();
            int exponent = digits.length() - 1 - decimal.scale();
            String mantissa = digits.length() == 1 ? digits : digits.charAt(0) + "." + digits.substring(1);
            return (value < 0 ? "-" : "") + mantissa + "e" + (exponent < 0 ? "-" : "+")
                    + (Math.abs(exponent) < 10 ? "0" : "") + Math.abs(exponent);
        }
        String plain = new BigDecimal(Double.toString(value)).toPlainString();
        return plain.contains(".") ? plain : plain + ".0";
    }

    /**
     * {@code json.dumps(value, ensure_ascii=False, indent=indent)}.
     *
     * @param indent blanks per level; negative writes one line
     */
    static String json(@Nullable Object value, int indent) {
        StringBuilder out = new StringBuilder();
        writeJson(value, indent, 0, out);
        return out.toString();
    }

    private static void writeJson(@Nullable Object value, int indent, int level, StringBuilder out) {
        switch (value) {
            case null -> out.append("null");
            case Boolean flag -> out.append(flag);
            case Long number -> out.append(number);
            case Double number ->
                out.append(Double.isNaN(number) ? "NaN" : Double.isInfinite(number) ? "Infinity" : number(number));
            case Text text -> quoteJson(text.chars(), out);
            case List<?> list -> {
                out.append('[');
                for (int i = 0; i < list.size(); i++) {
                    separate(i == 0, indent, level + 1, out);
                    writeJson(list.get(i), indent, level + 1, out);
                }
                close(list.isEmpty(), indent, level, ']', out);
            }
            case Map<?, ?> map -> {
                out.append('{');
                boolean first = true;
                for (Map.Entry<?, ?> entry : map.entrySet()) {
                    separate(first, indent, level + 1, out);
                    quoteJson(String.valueOf(entry.getKey()), out);
                    out.append(": ");
                    writeJson(entry.getValue(), indent, level + 1, out);
                    first = false;
                }
                close(first, indent, level, '}', out);
            }
            default -> throw TemplateException.evaluation(Values.typeName(value) + " is not JSON serializable");
        }
    }

    private static void separate(boolean first, int indent, int level, StringBuilder out) {
        if (indent < 0) {
            out.append(first ? "" : ", ");
        } else {
            out.append(first ? "\n" : ",\n").repeat(' ', indent * level);
        }
    }

    private static void close(boolean empty, int indent, int level, char bracket, StringBuilder out) {
        if (indent >= 0 && !empty) {
            out.append('\n').repeat(' ', indent * level);
        }
        out.append(bracket);
    }

    private static void quoteJson(String text, StringBuilder out) {
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
                    if (c < ' ') {
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
