package dev.sluice.jinja;

import dev.sluice.jinja.Lexer.Segment;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Parses the statements of a template into a tree. What could reach outside (include, import, extends) is refused. */
final class Parser {

    private static final int DEPTH_MAX = 50;

    private final List<Segment> segments;
    private int at;
    private int depth;

    private Parser(List<Segment> segments) {
        this.segments = segments;
    }

    /** @throws TemplateException of kind SYNTAX, naming the line */
    static List<Node> parse(String source) {
        Parser parser = new Parser(Lexer.segments(source));
        List<Node> body = parser.body(Set.of());
        if (parser.at < parser.segments.size()) {
            Segment segment = parser.segments.get(parser.at);
            throw TemplateException.syntax(
                    segment.line(), "unexpected '" + segment.tokens().getFirst().text() + "'");
        }
        return body;
    }

    /** Statements up to one whose first word is in {@code ends}; that one is left to the caller. */
    private List<Node> body(Set<String> ends) {
        if (++depth > DEPTH_MAX) {
            throw TemplateException.syntax(0, "statements are nested more than " + DEPTH_MAX + " deep");
        }
        List<Node> nodes = new ArrayList<>();
        while (at < segments.size()) {
            Segment segment = segments.get(at);
            switch (segment.type()) {
                case TEXT -> nodes.add(new Node.Literal(Text.own(segment.text())));
                case OUTPUT -> nodes.add(new Node.Output(single(segment)));
                case STATEMENT -> {
                    if (ends.contains(segment.tokens().getFirst().text())) {
                        depth--;
                        return nodes;
                    }
                    nodes.add(statement(segment));
                    continue; // it has moved on itself
                }
            }
            at++;
        }
        depth--;
        return nodes;
    }

    private static Node single(Segment segment) {
        ExpressionParser parser = new ExpressionParser(segment.tokens());
        Node node = parser.expressionList();
        parser.expectEnd();
        return node;
    }

    private Node statement(Segment segment) {
        ExpressionParser parser = new ExpressionParser(segment.tokens());
        String word = parser.expectName();
        at++;
        return switch (word) {
            case "if" -> ifStatement(parser);
            case "for" -> forStatement(parser);
            case "set" -> setStatement(parser);
            case "macro" -> macro(parser);
            case "filter" -> filterBlock(parser);
            case "generation" -> new Node.Group(block(parser, "endgeneration"));
            case "break" -> ended(parser, new Node.Break());
            case "continue" -> ended(parser, new Node.Continue());
            default -> throw TemplateException.syntax(segment.line(), "'" + word + "' is not supported");
        };
    }

    private static Node ended(ExpressionParser parser, Node node) {
        parser.expectEnd();
        return node;
    }

    private List<Node> block(ExpressionParser parser, String end) {
        parser.expectEnd();
        List<Node> body = body(Set.of(end));
        close(end);
        return body;
    }

    private ExpressionParser close(String... ends) {
        if (at >= segments.size()) {
            throw TemplateException.syntax(
                    segments.isEmpty() ? 0 : segments.getLast().line(), "missing '" + ends[0] + "'");
        }
        ExpressionParser parser = new ExpressionParser(segments.get(at++).tokens());
        return parser;
    }

    private Node ifStatement(ExpressionParser parser) {
        List<Node.Branch> branches = new ArrayList<>();
        @Nullable Node condition = parser.expressionList();
        parser.expectEnd();
        while (true) {
            List<Node> body = body(Set.of("elif", "else", "endif"));
            branches.add(new Node.Branch(condition, body));
            ExpressionParser next = close("endif");
            String word = next.expectName();
            if (word.equals("endif")) {
                next.expectEnd();
                return new Node.If(branches);
            }
            if (condition == null) {
                throw next.error("'" + word + "' after 'else'");
            }
            condition = word.equals("elif") ? next.expressionList() : null;
            next.expectEnd();
        }
    }

    private Node forStatement(ExpressionParser parser) {
        List<String> targets = new ArrayList<>();
        boolean parenthesised = parser.accept("(");
        do {
            targets.add(parser.expectName());
        } while (parser.accept(","));
        if (parenthesised) {
            parser.expect(")");
        }
        if (!parser.acceptName("in")) {
            throw parser.error("expected 'in'");
        }
        Node items = parser.or();
        Node filter = parser.acceptName("if") ? parser.expression() : null;
        parser.expectEnd();
        List<Node> body = body(Set.of("else", "endfor"));
        List<Node> orElse = List.of();
        if (close("endfor").acceptName("else")) {
            orElse = body(Set.of("endfor"));
            close("endfor");
        }
        return new Node.For(targets, items, filter, body, orElse);
    }

    private Node setStatement(ExpressionParser parser) {
        List<String> targets = new ArrayList<>();
        do {
            String name = parser.expectName();
            targets.add(parser.accept(".") ? name + "." + parser.expectName() : name);
        } while (parser.accept(","));
        if (parser.accept("=")) {
            Node value = parser.expressionList();
            parser.expectEnd();
            return new Node.Set(targets, value);
        }
        Node filtered = null;
        while (parser.accept("|")) {
            filtered = parser.filter(filtered == null ? new Node.Captured() : filtered);
        }
        if (targets.size() != 1) {
            throw parser.error("a block can be assigned to one name only");
        }
        return new Node.SetBlock(targets.getFirst(), block(parser, "endset"), filtered);
    }

    private Node macro(ExpressionParser parser) {
        String name = parser.expectName();
        List<Node.Parameter> parameters = new ArrayList<>();
        parser.expect("(");
        while (!parser.accept(")")) {
            String parameter = parser.expectName();
            parameters.add(new Node.Parameter(parameter, parser.accept("=") ? parser.expression() : null));
            if (!parser.accept(",")) {
                parser.expect(")");
                break;
            }
        }
        return new Node.Macro(name, parameters, block(parser, "endmacro"));
    }

    private Node filterBlock(ExpressionParser parser) {
        Node filtered = parser.filters(parser.filter(new Node.Captured()));
        return new Node.FilterBlock(filtered, block(parser, "endfilter"));
    }
}
