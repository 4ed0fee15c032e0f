package dev.sluice.jinja;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The syntax tree of a template. */
sealed interface Node {

    // Statements

    /** Literal text. */
    record Literal(Text text) implements Node {}

    /** {@code {{ expression }}}. */
    record Output(Node expression) implements Node {}

    /** {@code {% if %}}: branches in order, the else branch last with a null condition. */
    record If(List<Branch> branches) implements Node {}

    /** One branch of an {@link If}. */
    record Branch(@Nullable Node condition, List<Node> body) {}

    /** {@code {% for targets in items if filter %}}. */
    record For(List<String> targets, Node items, @Nullable Node filter, List<Node> body, List<Node> orElse)
            implements Node {}

    /** {@code {% set targets = value %}}; a dotted target names a namespace's member. */
    record Set(List<String> targets, Node value) implements Node {}

    /** {@code {% set target %}...{% endset %}}. */
    record SetBlock(
            String target, List<Node> body, @Nullable Node filtered) implements Node {}

    /** {@code {% macro name(parameters) %}}. */
    record Macro(String name, List<Parameter> parameters, List<Node> body) implements Node {}

    /** One parameter of a {@link Macro}. */
    record Parameter(String name, @Nullable Node absent) {}

    /** {@code {% filter name %}...{% endfilter %}}. */
    record FilterBlock(Node filtered, List<Node> body) implements Node {}

    /** Statements that only group, as {@code {% generation %}} does. */
    record Group(List<Node> body) implements Node {}

    /** {@code {% break %}}. */
    record Break() implements Node {}

    /** {@code {% continue %}}. */
    record Continue() implements Node {}

    // Expressions

    /** A value known when parsing. */
    record Constant(@Nullable Object value) implements Node {}

    /** What a filter block or a filtered set applies its filter to: put in by the evaluator. */
    record Captured() implements Node {}

    /** A name. */
    record Variable(String name) implements Node {}

    /** {@code [a, b]}, or the tuple {@code (a, b)}. */
    record ListOf(List<Node> items, boolean tuple) implements Node {}

    /** <code>{key: value}</code>. */
    record MapOf(List<Node> keys, List<Node> values) implements Node {}

    /** {@code target.name}. */
    record Attribute(Node target, String name) implements Node {}

    /** {@code target[index]}. */
    record Item(Node target, Node index) implements Node {}

    /** {@code target[from:to:step]}. */
    record Slice(
            Node target,
            @Nullable Node from,
            @Nullable Node to,
            @Nullable Node step) implements Node {}

    /** {@code target(arguments)}. */
    record Call(Node target, Arguments arguments) implements Node {}

    /** {@code target | name(arguments)}. */
    record Filter(Node target, String name, Arguments arguments) implements Node {}

    /** {@code target is name(arguments)}. */
    record Test(Node target, String name, Arguments arguments, boolean negated) implements Node {}

    /** Positional and named arguments. */
    record Arguments(List<Node> positional, Map<String, Node> named) {
        static final Arguments NONE = new Arguments(List.of(), Map.of());
    }

    /** An operator with two sides. */
    record Binary(String operator, Node left, Node right) implements Node {}

    /** {@code a < b <= c}. */
    record Compare(Node first, List<String> operators, List<Node> others) implements Node {}

    /** {@code not}, {@code -}, {@code +}. */
    record Unary(String operator, Node operand) implements Node {}

    /** {@code a if condition else b}. */
    record Conditional(Node condition, Node then, @Nullable Node otherwise) implements Node {}
}
