package dev.sluice.jinja;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Arithmetic, comparison and slicing as Python does them. */
final class Operators {

    private Operators() {}

    static Object arithmetic(String operator, @Nullable Object a, @Nullable Object b, Budget budget) {
        if (operator.equals("~")) {
            return concatenate(Values.print(a), Values.print(b), budget);
        }
        if (operator.equals("+") && a instanceof Text x && b instanceof Text y) {
            return concatenate(x, y, budget);
        }
        if (operator.equals("+") && a instanceof List<?> x && b instanceof List<?> y) {
            budget.characters(x.size() + (long) y.size());
            List<@Nullable Object> joined = new ArrayList<>(x);
            joined.addAll(y);
            if (x instanceof Tuple != y instanceof Tuple) {
                throw TemplateException.evaluation("cannot join a list and a tuple");
            }
            return x instanceof Tuple ? new Tuple(joined) : joined;
        }
        if (operator.equals("*") && a instanceof Text text && b instanceof Long times) {
            return repeat(text, times, budget);
        }
        if (operator.equals("*") && b instanceof Text text && a instanceof Long times) {
            return repeat(text, times, budget);
        }
        if (!Values.isNumber(a) || !Values.isNumber(b)) {
            throw TemplateException.evaluation(
                    "cannot apply '" + operator + "' to " + Values.typeName(a) + " and " + Values.typeName(b));
        }
        boolean integral = Values.isIntegral(a) && Values.isIntegral(b) && !operator.equals("/");
        try {
            return integral
                    ? (Object) integers(operator, Values.integer(a), Values.integer(b))
                    : (Object) floats(operator, Values.number(a), Values.number(b));
        } catch (ArithmeticException e) {
            throw TemplateException.evaluation("division by zero or a number too large");
        }
    }

    private static Text concatenate(Text a, Text b, Budget budget) {
        budget.characters(a.length() + (long) b.length());
        return a.plus(b);
    }

    private static Text repeat(Text text, long times, Budget budget) {
        long count = Math.max(0, times);
        if (count > Integer.MAX_VALUE) {
            budget.characters(count);
        }
        budget.characters(count * text.length());
        Text.Builder out = new Text.Builder();
        for (long i = 0; i < count && !text.isEmpty(); i++) {
            out.append(text);
        }
        return out.build();
    }

    private static long integers(String operator, long a, long b) {
        return switch (operator) {
            case "+" -> Math.addExact(a, b);
            case "-" -> Math.subtractExact(a, b);
            case "*" -> Math.multiplyExact(a, b);
            case "//" -> Math.floorDiv(a, b);
            case "%" -> Math.floorMod(a, b);
            case "**" -> {
                double power = Math.pow((double) a, (double) b);
                if (Math.abs(power) > 1e15 || b < 0) {
                    throw new ArithmeticException("power");
                }
                yield (long) power;
            }
            default -> throw TemplateException.evaluation("unknown operator '" + operator + "'");
        };
    }

    private static double floats(String operator, double a, double b) {
        return switch (operator) {
            case "+" -> a + b;
            case "-" -> a - b;
            case "*" -> a * b;
            case "/" -> {
                if (b == 0) {
                    throw new ArithmeticException("division");
                }
                yield a / b;
            }
            case "//" -> Math.floor(a / b);
            case "%" -> a - b * Math.floor(a / b);
            case "**" -> Math.pow(a, b);
            default -> throw TemplateException.evaluation("unknown operator '" + operator + "'");
        };
    }

    static boolean compare(String operator, @Nullable Object a, @Nullable Object b) {
        return switch (operator) {
            case "==" -> Values.equal(a, b);
            case "!=" -> !Values.equal(a, b);
            case "in" -> Tests.contains(b, a);
            case "not in" -> !Tests.contains(b, a);
            case "<" -> Values.compare(a, b) < 0;
            case "<=" -> Values.compare(a, b) <= 0;
            case ">" -> Values.compare(a, b) > 0;
            case ">=" -> Values.compare(a, b) >= 0;
            default -> throw TemplateException.evaluation("unknown operator '" + operator + "'");
        };
    }

    /** {@code target[from:to:step]}; null bounds are open. */
    static Object slice(@Nullable Object target, @Nullable Object from, @Nullable Object to, @Nullable Object step) {
        long stride = step == null ? 1 : Values.integer(step);
        if (stride == 0) {
            throw TemplateException.evaluation("slice step cannot be zero");
        }
        if (!(target instanceof Text) && !(target instanceof List)) {
            throw TemplateException.evaluation(Values.typeName(target) + " cannot be sliced");
        }
        List<@Nullable Object> items = Values.items(target);
        int size = items.size();
        long first = bound(from, size, stride > 0 ? 0 : size - 1, stride > 0 ? 0 : -1, stride > 0 ? size : size - 1);
        long last = bound(to, size, stride > 0 ? size : -1, stride > 0 ? 0 : -1, stride > 0 ? size : size - 1);
        List<@Nullable Object> picked = new ArrayList<>();
        for (long i = first; stride > 0 ? i < last : i > last; i += stride) {
            picked.add(items.get((int) i));
        }
        if (target instanceof List) {
            return target instanceof Tuple ? new Tuple(picked) : picked;
        }
        Text.Builder out = new Text.Builder();
        picked.forEach(character -> out.append(Values.text(character)));
        return out.build();
    }

    private static long bound(@Nullable Object value, int size, long absent, long min, long max) {
        if (value == null) {
            return absent;
        }
        long index = Values.integer(value);
        return Math.clamp(index < 0 ? index + size : index, min, max);
    }
}
