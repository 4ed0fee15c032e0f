package dev.sluice.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Computes expressions. */
final class Evaluator {

    private static final int CALL_DEPTH_MAX = 64;

    final Budget budget;
    private final Filters filters;
    private int calls;
    private @Nullable Text captured;

    Evaluator(Budget budget) {
        this.budget = budget;
        filters = new Filters(budget);
    }

    /** Applies a chain of filters to a text that was rendered before. */
    @Nullable
    Object filtered(Node chain, Text text, Scope scope) {
        Text outer = captured;
        captured = text;
        try {
            return evaluate(chain, scope);
        } finally {
            captured = outer;
        }
    }

    @Nullable
    Object evaluate(Node node, Scope scope) {
        budget.step();
        return switch (node) {
            case Node.Constant constant -> constant.value();
            case Node.Captured text -> captured == null ? Text.EMPTY : captured;
            case Node.Variable variable -> scope.get(variable.name());
            case Node.ListOf list -> {
                List<@Nullable Object> items = all(list.items(), scope);
                yield list.tuple() ? new Tuple(items) : items;
            }
            case Node.MapOf map -> map(map, scope);
            case Node.Attribute attribute -> attribute(evaluate(attribute.target(), scope), attribute.name());
            case Node.Item item -> item(evaluate(item.target(), scope), evaluate(item.index(), scope));
            case Node.Slice slice ->
                Operators.slice(
                        evaluate(slice.target(), scope),
                        optional(slice.from(), scope),
                        optional(slice.to(), scope),
                        optional(slice.step(), scope));
            case Node.Call call -> call(call, scope);
            case Node.Filter filter ->
                guarded(
                        filter.name(),
                        () -> filters.apply(
                                evaluate(filter.target(), scope),
                                filter.name(),
                                all(filter.arguments().positional(), scope),
                                named(filter.arguments(), scope)));
            case Node.Test test ->
                test.negated()
                        != (boolean) guarded(
                                test.name(),
                                () -> Tests.holds(
                                        evaluate(test.target(), scope),
                                        test.name(),
                                        all(test.arguments().positional(), scope)));
            case Node.Binary binary -> binary(binary, scope);
            case Node.Compare compare -> compare(compare, scope);
            case Node.Unary unary -> unary(unary, scope);
            case Node.Conditional conditional -> {
                boolean holds = Values.isTrue(evaluate(conditional.condition(), scope));
                Node otherwise = conditional.otherwise();
                yield holds
                        ? evaluate(conditional.then(), scope)
                        : otherwise == null ? new Undefined("else") : evaluate(otherwise, scope);
            }
            default -> throw TemplateException.evaluation("a statement is not an expression");
        };
    }

    private @Nullable Object optional(@Nullable Node node, Scope scope) {
        return node == null ? null : evaluate(node, scope);
    }

    private List<@Nullable Object> all(List<Node> nodes, Scope scope) {
        List<@Nullable Object> values = new ArrayList<>();
        for (Node node : nodes) {
            values.add(evaluate(node, scope));
        }
        return values;
    }

    private Map<String, @Nullable Object> named(Node.Arguments arguments, Scope scope) {
        Map<String, @Nullable Object> values = new LinkedHashMap<>();
        arguments.named().forEach((name, node) -> values.put(name, evaluate(node, scope)));
        return values;
    }

    private Object map(Node.MapOf node, Scope scope) {
        Map<String, @Nullable Object> map = new LinkedHashMap<>();
        for (int i = 0; i < node.keys().size(); i++) {
            map.put(
                    Values.text(evaluate(node.keys().get(i), scope)).chars(),
                    evaluate(node.values().get(i), scope));
        }
        return map;
    }

    /** Methods come before members, as attributes do in Python. */
    private @Nullable Object attribute(@Nullable Object target, String name) {
        if (target instanceof Undefined undefined) {
            throw TemplateException.evaluation("'" + undefined.what() + "' is undefined");
        }
        Callable method = Methods.find(target, name, budget);
        if (method != null) {
            return method;
        }
        return target instanceof Map<?, ?> map && map.containsKey(name) ? map.get(name) : new Undefined(name);
    }

    /** Items come before attributes, the other way round. */
    private @Nullable Object item(@Nullable Object target, @Nullable Object index) {
        if (target instanceof Undefined undefined) {
            throw TemplateException.evaluation("'" + undefined.what() + "' is undefined");
        }
        if (target instanceof Map<?, ?> map && map.containsKey(PythonText.of(index))) {
            return map.get(PythonText.of(index));
        }
        if (Values.isIntegral(index) && (target instanceof List || target instanceof Text)) {
            return at(Values.items(target), Values.integer(index));
        }
        return index instanceof Text name ? attribute(target, name.chars()) : new Undefined("item");
    }

    private static @Nullable Object at(List<@Nullable Object> items, long index) {
        long at = index < 0 ? index + items.size() : index;
        return at >= 0 && at < items.size() ? items.get((int) at) : new Undefined("item " + index);
    }

    private @Nullable Object call(Node.Call node, Scope scope) {
        Object target = evaluate(node.target(), scope);
        if (!(target instanceof Callable callable)) {
            throw TemplateException.evaluation(Values.typeName(target) + " cannot be called");
        }
        if (++calls > CALL_DEPTH_MAX) {
            throw new TemplateException(
                    TemplateException.Kind.LIMIT,
                    "the chat template nests calls more than " + CALL_DEPTH_MAX + " deep");
        }
        try {
            return guarded(
                    "call",
                    () -> callable.call(all(node.arguments().positional(), scope), named(node.arguments(), scope)));
        } finally {
            calls--;
        }
    }

    /** A missing argument is the template's mistake, not a failure of ours. */
    private static <T extends @Nullable Object> T guarded(String what, Supplier<T> action) {
        try {
            return action.get();
        } catch (NoSuchElementException | IndexOutOfBoundsException e) {
            throw TemplateException.evaluation("'" + what + "' lacks an argument");
        }
    }

    private @Nullable Object binary(Node.Binary node, Scope scope) {
        Object left = evaluate(node.left(), scope);
        return switch (node.operator()) {
            case "and" -> Values.isTrue(left) ? evaluate(node.right(), scope) : left;
            case "or" -> Values.isTrue(left) ? left : evaluate(node.right(), scope);
            default -> Operators.arithmetic(node.operator(), left, evaluate(node.right(), scope), budget);
        };
    }

    private boolean compare(Node.Compare node, Scope scope) {
        Object left = evaluate(node.first(), scope);
        for (int i = 0; i < node.operators().size(); i++) {
            Object right = evaluate(node.others().get(i), scope);
            if (!Operators.compare(node.operators().get(i), left, right)) {
                return false;
            }
            left = right;
        }
        return true;
    }

    private Object unary(Node.Unary node, Scope scope) {
        Object operand = evaluate(node.operand(), scope);
        return switch (node.operator()) {
            case "not" -> !Values.isTrue(operand);
            case "-" -> operand instanceof Double number ? (Object) (-number) : (Object) (-Values.integer(operand));
            default -> operand instanceof Double number ? (Object) number : (Object) Values.integer(operand);
        };
    }
}
