package dev.sluice.jinja;

import java.math.BigDecimal;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** How Python's {@code str} writes values. */
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
            case Tuple tuple -> represent(tuple, '(', tuple.size() == 1 ? ",)" : ")", out);
            case List<?> list -> represent(list, '[', "]", out);
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

    private static void represent(List<?> list, char open, String close, StringBuilder out) {
        out.append(open);
        for (int i = 0; i < list.size(); i++) {
            out.append(i == 0 ? "" : ", ");
            represent(list.get(i), out);
        }
        out.append(close);
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
        if (size < 1) {
            // BigDecimal has no negative zero, and keeps the trailing zero of "1.0E-4".
            String digits = size == 0
                    ? "0.0"
                    : new BigDecimal(Double.toString(size)).stripTrailingZeros().toPlainString();
            return (Double.doubleToRawLongBits(value) < 0 ? "-" : "") + digits;
        }
        String plain = new BigDecimal(Double.toString(value)).toPlainString();
        return plain.contains(".") ? plain : plain + ".0";
    }
}
