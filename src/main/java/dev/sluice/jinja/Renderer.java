package dev.sluice.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Executes statements and collects what they print. */
final class Renderer {

    /** How a list of statements ended. */
    private enum Flow {
        NORMAL,
        BREAK,
        CONTINUE
    }

    /** What {@code namespace()} returns: a map whose members can be set. */
    static final class Namespace extends LinkedHashMap<String, @Nullable Object> {
        private static final long serialVersionUID = 1;
    }

    private final Budget budget;
    private final Evaluator evaluator;

    Renderer(Budget budget) {
        this.budget = budget;
        evaluator = new Evaluator(budget);
    }

    Text render(List<Node> body, Scope scope) {
        Text.Builder out = new Text.Builder();
        run(body, scope, out);
        return out.build();
    }

    private Flow run(List<Node> body, Scope scope, Text.Builder out) {
        for (Node node : body) {
            budget.step();
            Flow flow = run(node, scope, out);
            if (flow != Flow.NORMAL) {
                return flow;
            }
        }
        return Flow.NORMAL;
    }

    private Flow run(Node node, Scope scope, Text.Builder out) {
        switch (node) {
            case Node.Literal literal -> print(literal.text(), out);
            case Node.Output output -> print(Values.print(evaluator.evaluate(output.expression(), scope)), out);
            case Node.If branches -> {
                return runIf(branches, scope, out);
            }
            case Node.For loop -> runFor(loop, scope, out);
            case Node.Set set -> assign(set.targets(), evaluator.evaluate(set.value(), scope), scope);
            case Node.SetBlock block -> {
                Text text = render(block.body(), new Scope(scope));
                Node filtered = block.filtered();
                Object value = filtered == null ? text : evaluator.filtered(filtered, text, scope);
                assign(List.of(block.target()), value, scope);
            }
            case Node.Macro macro -> scope.set(macro.name(), macro(macro, scope));
            case Node.FilterBlock block -> {
                Text text = render(block.body(), new Scope(scope));
                print(Values.print(evaluator.filtered(block.filtered(), text, scope)), out);
            }
            case Node.Group group -> {
                return run(group.body(), scope, out);
            }
            case Node.Break end -> {
                return Flow.BREAK;
            }
            case Node.Continue next -> {
                return Flow.CONTINUE;
            }
            default -> throw TemplateException.evaluation("an expression is not a statement");
        }
        return Flow.NORMAL;
    }

    private void print(Text text, Text.Builder out) {
        budget.output(out.length() + (long) text.length());
        out.append(text);
    }

    private Flow runIf(Node.If node, Scope scope, Text.Builder out) {
        for (Node.Branch branch : node.branches()) {
            Node condition = branch.condition();
            if (condition == null || Values.isTrue(evaluator.evaluate(condition, scope))) {
                return run(branch.body(), scope, out);
            }
        }
        return Flow.NORMAL;
    }

    private void runFor(Node.For loop, Scope scope, Text.Builder out) {
        List<@Nullable Object> items = Values.items(evaluator.evaluate(loop.items(), scope));
        Node filter = loop.filter();
        if (filter != null) {
            items.removeIf(item -> {
                Scope inner = new Scope(scope);
                assign(loop.targets(), item, inner);
                return !Values.isTrue(evaluator.evaluate(filter, inner));
            });
        }
        if (items.isEmpty()) {
            run(loop.orElse(), scope, out);
            return;
        }
        for (int i = 0; i < items.size(); i++) {
            budget.step();
            Scope inner = new Scope(scope);
            assign(loop.targets(), items.get(i), inner);
            inner.set("loop", loopState(items, i));
            if (run(loop.body(), inner, out) == Flow.BREAK) {
                return;
            }
        }
    }

    private static Map<String, @Nullable Object> loopState(List<@Nullable Object> items, int i) {
        Map<String, @Nullable Object> state = new LinkedHashMap<>();
        state.put("index", i + 1L);
        state.put("index0", (long) i);
        state.put("revindex", (long) items.size() - i);
        state.put("revindex0", items.size() - i - 1L);
        state.put("first", i == 0);
        state.put("last", i == items.size() - 1);
        state.put("length", (long) items.size());
        state.put("previtem", i == 0 ? new Undefined("previtem") : items.get(i - 1));
        state.put("nextitem", i == items.size() - 1 ? new Undefined("nextitem") : items.get(i + 1));
        Callable cycle = (args, named) -> args.get(i % args.size());
        state.put("cycle", cycle);
        return state;
    }

    private static void assign(List<String> targets, @Nullable Object value, Scope scope) {
        if (targets.size() == 1) {
            assign(targets.getFirst(), value, scope);
            return;
        }
        List<@Nullable Object> parts = Values.items(value);
        if (parts.size() != targets.size()) {
            throw TemplateException.evaluation(
                    "cannot unpack " + parts.size() + " values into " + targets.size() + " names");
        }
        for (int i = 0; i < parts.size(); i++) {
            assign(targets.get(i), parts.get(i), scope);
        }
    }

    private static void assign(String target, @Nullable Object value, Scope scope) {
        int dot = target.indexOf('.');
        if (dot < 0) {
            scope.set(target, value);
        } else if (scope.get(target.substring(0, dot)) instanceof Namespace namespace) {
            namespace.put(target.substring(dot + 1), value);
        } else {
            throw TemplateException.evaluation("only members of a namespace can be set");
        }
    }

    private Callable macro(Node.Macro macro, Scope defined) {
        return (positional, named) -> {
            Scope scope = new Scope(defined);
            List<Node.Parameter> parameters = macro.parameters();
            if (positional.size() > parameters.size()) {
                throw TemplateException.evaluation("macro '" + macro.name() + "' got too many arguments");
            }
            List<@Nullable Object> rest = new ArrayList<>(positional);
            for (int i = 0; i < parameters.size(); i++) {
                Node.Parameter parameter = parameters.get(i);
                Node absent = parameter.absent();
                Object value;
                if (i < rest.size()) {
                    value = rest.get(i);
                } else if (named.containsKey(parameter.name())) {
                    value = named.get(parameter.name());
                } else {
                    value = absent == null ? new Undefined(parameter.name()) : evaluator.evaluate(absent, scope);
                }
                scope.set(parameter.name(), value);
            }
            return render(macro.body(), scope);
        };
    }
}
