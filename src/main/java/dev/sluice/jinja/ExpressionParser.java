package dev.sluice.jinja;

import dev.sluice.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Parses the tokens of one tag, with Jinja's precedences: a filter binds tighter than any operator. */
final class ExpressionParser {

    private static final int DEPTH_MAX = 100;

    private final List<Token> tokens;
    private int at;
    private int depth;

    ExpressionParser(List<Token> tokens) {
        this.tokens = tokens;
    }

    Token peek() {
        return tokens.get(at);
    }

    Token next() {
        Token token = tokens.get(at);
        if (token.kind() != Kind.END) {
            at++;
        }
        return token;
    }

    boolean accept(String operator) {
        if (peek().is(operator)) {
            at++;
            return true;
        }
        return false;
    }

    boolean acceptName(String name) {
        if (peek().isName(name)) {
            at++;
            return true;
        }
        return false;
    }

    void expect(String operator) {
        if (!accept(operator)) {
            throw error("expected '" + operator + "'");
        }
    }

    String expectName() {
        Token token = next();
        if (token.kind() != Kind.NAME) {
            throw error("expected a name");
        }
        return token.text();
    }

    void expectEnd() {
        if (peek().kind() != Kind.END) {
            throw error("unexpected '" + peek().text() + "'");
        }
    }

    TemplateException error(String message) {
        return TemplateException.syntax(peek().line(), message);
    }

    /** A tuple without parentheses, or a single expression. */
    Node expressionList() {
        Node first = expression();
        if (!peek().is(",")) {
            return first;
        }
        List<Node> items = new ArrayList<>(List.of(first));
        while (accept(",")) {
            if (peek().kind() == Kind.END) {
                break;
            }
            items.add(expression());
        }
        return new Node.ListOf(items, true);
    }

    Node expression() {
        if (++depth > DEPTH_MAX) {
            throw error("expressions are nested more than " + DEPTH_MAX + " deep");
        }
        Node value = or();
        while (acceptName("if")) {
            Node condition = or();
            Node otherwise = acceptName("else") ? expression() : null;
            value = new Node.Conditional(condition, value, otherwise);
        }
        depth--;
        return value;
    }

    /** An expression in which {@code if} does not belong to it, as after {@code for x in}. */
    Node or() {
        Node left = and();
        while (acceptName("or")) {
            left = new Node.Binary("or", left, and());
        }
        return left;
    }

    private Node and() {
        Node left = not();
        while (acceptName("and")) {
            left = new Node.Binary("and", left, not());
        }
        return left;
    }

    private Node not() {
        if (peek().isName("not")) {
            at++;
            if (++depth > DEPTH_MAX) {
                throw error("expressions are nested more than " + DEPTH_MAX + " deep");
            }
            Node operand = not();
            depth--;
            return new Node.Unary("not", operand);
        }
        return compare();
    }

    private Node compare() {
        Node first = sum();
        List<String> operators = new ArrayList<>();
        List<Node> others = new ArrayList<>();
        while (true) {
            String operator = comparison();
            if (operator == null) {
                return operators.isEmpty() ? first : new Node.Compare(first, operators, others);
            }
            operators.add(operator);
            others.add(sum());
        }
    }

    private @Nullable String comparison() {
        Token token = peek();
        if (token.isName("in")) {
            at++;
            return "in";
        }
        if (token.isName("not") && tokens.get(at + 1).isName("in")) {
            at += 2;
            return "not in";
        }
        boolean compares = token.kind() == Kind.OPERATOR
                && switch (token.text()) {
                    case "==", "!=", "<", "<=", ">", ">=" -> true;
                    default -> false;
                };
        if (compares) {
            at++;
            return token.text();
        }
        return null;
    }

    private Node sum() {
        Node left = concatenation();
        while (peek().is("+") || peek().is("-")) {
            left = new Node.Binary(next().text(), left, concatenation());
        }
        return left;
    }

    private Node concatenation() {
        Node left = product();
        while (accept("~")) {
            left = new Node.Binary("~", left, product());
        }
        return left;
    }

    private Node product() {
        Node left = power();
        while (peek().is("*") || peek().is("/") || peek().is("//") || peek().is("%")) {
            left = new Node.Binary(next().text(), left, power());
        }
        return left;
    }

    private Node power() {
        Node left = unary(true);
        while (accept("**")) {
            left = new Node.Binary("**", left, unary(true));
        }
        return left;
    }

    private Node unary(boolean withFilter) {
        Node node;
        if (peek().is("-") || peek().is("+")) {
            String operator = next().text();
            if (++depth > DEPTH_MAX) {
                throw error("expressions are nested more than " + DEPTH_MAX + " deep");
            }
            node = new Node.Unary(operator, unary(false));
            depth--;
        } else {
            node = postfix(primary());
        }
        return withFilter ? filters(node) : node;
    }

    private Node primary() {
        Token token = next();
        return switch (token.kind()) {
            case NAME ->
                switch (token.text()) {
                    case "true", "True" -> new Node.Constant(true);
                    case "false", "False" -> new Node.Constant(false);
                    case "none", "None" -> new Node.Constant(null);
                    default -> new Node.Variable(token.text());
                };
            case STRING -> {
                StringBuilder text = new StringBuilder(token.text());
                while (peek().kind() == Kind.STRING) {
                    text.append(next().text());
                }
                yield new Node.Constant(Text.own(text.toString()));
            }
            case INTEGER -> new Node.Constant(Long.parseLong(token.text()));
            case FLOAT -> new Node.Constant(Double.parseDouble(token.text()));
            case OPERATOR ->
                switch (token.text()) {
                    case "(" -> parenthesised();
                    case "[" -> new Node.ListOf(items("]"), false);
                    case "{" -> map();
                    default -> throw error("unexpected '" + token.text() + "'");
                };
            case END -> throw error("the expression ends too early");
        };
    }

    private Node parenthesised() {
        if (accept(")")) {
            return new Node.ListOf(List.of(), true);
        }
        Node first = expression();
        if (accept(")")) {
            return first;
        }
        expect(",");
        List<Node> items = new ArrayList<>(List.of(first));
        items.addAll(items(")"));
        return new Node.ListOf(items, true);
    }

    private List<Node> items(String close) {
        List<Node> items = new ArrayList<>();
        while (!accept(close)) {
            items.add(expression());
            if (!accept(",")) {
                expect(close);
                break;
            }
        }
        return items;
    }

    private Node map() {
        List<Node> keys = new ArrayList<>();
        List<Node> values = new ArrayList<>();
        while (!accept("}")) {
            keys.add(expression());
            expect(":");
            values.add(expression());
            if (!accept(",")) {
                expect("}");
                break;
            }
        }
        return new Node.MapOf(keys, values);
    }

    private Node postfix(Node node) {
        while (true) {
            if (accept(".")) {
                Token name = next();
                node = switch (name.kind()) {
                    case NAME -> new Node.Attribute(node, name.text());
                    case INTEGER -> new Node.Item(node, new Node.Constant(Long.parseLong(name.text())));
                    default -> throw error("expected a name after '.'");
                };
            } else if (accept("[")) {
                node = subscript(node);
            } else if (accept("(")) {
                node = new Node.Call(node, arguments());
            } else {
                return node;
            }
        }
    }

    private Node subscript(Node target) {
        Node from = peek().is(":") ? null : expression();
        if (from != null && accept("]")) {
            return new Node.Item(target, from);
        }
        expect(":");
        Node to = peek().is(":") || peek().is("]") ? null : expression();
        Node step = accept(":") && !peek().is("]") ? expression() : null;
        expect("]");
        return new Node.Slice(target, from, to, step);
    }

    private Node.Arguments arguments() {
        List<Node> positional = new ArrayList<>();
        Map<String, Node> named = new LinkedHashMap<>();
        while (!accept(")")) {
            if (peek().kind() == Kind.NAME && tokens.get(at + 1).is("=")) {
                String name = expectName();
                expect("=");
                named.put(name, expression());
            } else {
                positional.add(expression());
            }
            if (!accept(",")) {
                expect(")");
                break;
            }
        }
        return new Node.Arguments(positional, named);
    }

    Node filters(Node node) {
        while (true) {
            if (accept("|")) {
                node = filter(node);
            } else if (acceptName("is")) {
                node = test(node);
            } else if (accept("(")) {
                node = new Node.Call(node, arguments());
            } else {
                return node;
            }
        }
    }

    Node filter(Node target) {
        String name = expectName();
        return new Node.Filter(target, name, accept("(") ? arguments() : Node.Arguments.NONE);
    }

    private Node test(Node target) {
        boolean negated = acceptName("not");
        String name = expectName();
        Node.Arguments arguments = Node.Arguments.NONE;
        Token token = peek();
        boolean operand = switch (token.kind()) {
            case STRING, INTEGER, FLOAT -> true;
            case NAME ->
                switch (token.text()) {
                    case "else", "or", "and", "is", "in", "not", "if" -> false;
                    default -> true;
                };
            case OPERATOR -> token.is("[") || token.is("{");
            case END -> false;
        };
        if (accept("(")) {
            arguments = arguments();
        } else if (operand) {
            arguments = new Node.Arguments(List.of(postfix(primary())), Map.of());
        }
        return new Node.Test(target, name, arguments, negated);
    }
}
