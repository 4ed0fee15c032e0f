package dev.sluice.jinja;

import dev.sluice.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Cuts a template into text, outputs and statements, with the white-space rules that Hugging Face switches on
 * ({@code trim_blocks}, {@code lstrip_blocks}): a newline after a statement goes, blanks before one at the start of a
 * line go, and {@code -} eats everything blank on its side.
 */
final class Lexer {

    /** A piece of the template: literal text, or the tokens between the delimiters. */
    record Segment(Type type, String text, List<Token> tokens, int line) {
        /** What a segment is. */
        enum Type {
            TEXT,
            OUTPUT,
            STATEMENT
        }
    }

    private static final String[] OPERATORS = {
        "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "|", "(", ")", "[", "]", "{",
        "}", ",", ".", ":"
    };

    private final String source;
    private final List<Segment> segments = new ArrayList<>();
    private int at;
    private int line = 1;

    private Lexer(String source) {
        // Jinja drops one newline at the end of a template.
        String unix = source.replace("\r\n", "\n");
        this.source = unix.endsWith("\n") ? unix.substring(0, unix.length() - 1) : unix;
    }

    static List<Segment> segments(String source) {
        Lexer lexer = new Lexer(source);
        lexer.run();
        return lexer.segments;
    }

    private void run() {
        boolean trimLeft = false;
        boolean trimNewline = false;
        while (at < source.length()) {
            int open = nextDelimiter(at);
            String text = source.substring(at, open);
            int start = line;
            line += newlines(text);
            if (trimLeft) {
                text = text.stripLeading();
            } else if (trimNewline && text.startsWith("\n")) {
                text = text.substring(1);
            }
            if (open == source.length()) {
                addText(text, start);
                return;
            }
            char type = source.charAt(open + 1);
            char sign = open + 2 < source.length() ? source.charAt(open + 2) : ' ';
            if (sign == '-') {
                text = text.stripTrailing();
            } else if (type != '{' && sign != '+') {
                text = isLineStart(open) ? stripBlanks(text) : text;
            }
            addText(text, start);
            at = open + 2 + (sign == '-' || sign == '+' ? 1 : 0);
            String close = type == '{' ? "}}" : type == '%' ? "%}" : "#}";
            trimLeft = type == '#' ? skipComment() : readTag(type, close);
            trimNewline = type != '{' && source.charAt(at - 3) != '+';
            if (type == '%' && isRaw()) {
                trimLeft = readRaw(trimLeft);
                trimNewline = source.charAt(at - 3) != '+';
            }
        }
    }

    private int nextDelimiter(int from) {
        for (int i = source.indexOf('{', from); i >= 0 && i + 1 < source.length(); i = source.indexOf('{', i + 1)) {
            char next = source.charAt(i + 1);
            if (next == '{' || next == '%' || next == '#') {
                return i;
            }
        }
        return source.length();
    }

    /** True if nothing but blanks stand between the start of the line and the tag. */
    private boolean isLineStart(int tag) {
        int i = tag - 1;
        while (i >= 0 && (source.charAt(i) == ' ' || source.charAt(i) == '\t')) {
            i--;
        }
        return i < 0 || source.charAt(i) == '\n';
    }

    private static String stripBlanks(String text) {
        int end = text.length();
        while (end > 0 && (text.charAt(end - 1) == ' ' || text.charAt(end - 1) == '\t')) {
            end--;
        }
        return text.substring(0, end);
    }

    private void addText(String text, int start) {
        if (!text.isEmpty()) {
            segments.add(new Segment(Segment.Type.TEXT, text, List.of(), start));
        }
    }

    private boolean skipComment() {
        int end = source.indexOf("#}", at);
        if (end < 0) {
            throw TemplateException.syntax(line, "a comment is not closed");
        }
        line += newlines(source.substring(at, end));
        boolean trims = end > at && source.charAt(end - 1) == '-';
        at = end + 2;
        return trims;
    }

    /** Reads the tokens up to the closing delimiter; returns whether it eats the blanks behind it. */
    private boolean readTag(char type, String close) {
        List<Token> tokens = new ArrayList<>();
        int start = line;
        int depth = 0;
        while (true) {
            skipBlanks();
            if (at >= source.length()) {
                throw TemplateException.syntax(start, "a tag is not closed with " + close);
            }
            boolean minus = source.startsWith("-" + close, at);
            boolean plus = type == '%' && source.startsWith("+" + close, at);
            if (depth == 0 && (minus || plus || source.startsWith(close, at))) {
                at += minus || plus ? 3 : 2;
                tokens.add(new Token(Kind.END, "", line));
                segments.add(new Segment(
                        type == '{' ? Segment.Type.OUTPUT : Segment.Type.STATEMENT, "", List.copyOf(tokens), start));
                return minus;
            }
            Token token = readToken();
            depth += token.is("{") ? 1 : token.is("}") ? -1 : 0;
            tokens.add(token);
        }
    }

    private boolean isRaw() {
        List<Token> tokens = segments.getLast().tokens();
        return tokens.size() == 2 && tokens.getFirst().isName("raw");
    }

    private boolean readRaw(boolean trimLeft) {
        segments.removeLast();
        Matcher end = Pattern.compile("\\{%([-+]?)\\s*endraw\\s*([-+]?)%}").matcher(source);
        if (!end.find(at)) {
            throw TemplateException.syntax(line, "raw is not closed");
        }
        String text = source.substring(at, end.start());
        int start = line;
        line += newlines(text);
        if (end.group(1).equals("-")) {
            text = text.stripTrailing();
        } else if (end.group(1).isEmpty() && isLineStart(end.start())) {
            text = stripBlanks(text);
        }
        addText(trimLeft ? text.stripLeading() : text, start);
        at = end.end();
        return end.group(2).equals("-");
    }

    private void skipBlanks() {
        while (at < source.length() && Character.isWhitespace(source.charAt(at))) {
            line += source.charAt(at) == '\n' ? 1 : 0;
            at++;
        }
    }

    private Token readToken() {
        char c = source.charAt(at);
        if (Character.isLetter(c) || c == '_') {
            int from = at;
            while (at < source.length() && (Character.isLetterOrDigit(source.charAt(at)) || source.charAt(at) == '_')) {
                at++;
            }
            return new Token(Kind.NAME, source.substring(from, at), line);
        }
        if (Character.isDigit(c)) {
            return readNumber();
        }
        if (c == '"' || c == '\'') {
            return readString(c);
        }
        for (String operator : OPERATORS) {
            if (source.startsWith(operator, at)) {
                at += operator.length();
                return new Token(Kind.OPERATOR, operator, line);
            }
        }
        throw TemplateException.syntax(line, "unexpected character '" + c + "'");
    }

    private Token readNumber() {
        Matcher number = Pattern.compile("\\d+(\\.\\d+)?([eE][+-]?\\d+)?").matcher(source);
        if (!number.find(at) || number.start() != at || number.group().length() > 18) {
            throw TemplateException.syntax(line, "a number is too long");
        }
        at = number.end();
        boolean isFloat = number.group(1) != null || number.group(2) != null;
        return new Token(isFloat ? Kind.FLOAT : Kind.INTEGER, number.group(), line);
    }

    private Token readString(char quote) {
        StringBuilder text = new StringBuilder();
        int start = line;
        for (at++; at < source.length(); at++) {
            char c = source.charAt(at);
            if (c == quote) {
                at++;
                return new Token(Kind.STRING, text.toString(), start);
            }
            line += c == '\n' ? 1 : 0;
            if (c == '\\' && at + 1 < source.length()) {
                at++;
                readEscape(text);
            } else {
                text.append(c);
            }
        }
        throw TemplateException.syntax(start, "a string is not closed");
    }

    private void readEscape(StringBuilder text) {
        char c = source.charAt(at);
        switch (c) {
            case 'n' -> text.append('\n');
            case 't' -> text.append('\t');
            case 'r' -> text.append('\r');
            case '\\', '\'', '"' -> text.append(c);
            case '\n' -> line++;
            case 'x' -> text.append((char) hex(2));
            case 'u' -> text.append((char) hex(4));
            case 'U' -> text.appendCodePoint(hex(8));
            default -> text.append('\\').append(c);
        }
    }

    private int hex(int digits) {
        int from = at + 1;
        at += digits;
        try {
            int value = Integer.parseInt(source.substring(from, from + digits), 16);
            if (Character.isValidCodePoint(value)) {
                return value;
            }
        } catch (IndexOutOfBoundsException | NumberFormatException e) {
            // answered below: both mean the same to the author of the template
        }
        throw TemplateException.syntax(line, "a string has a broken escape");
    }

    private static int newlines(String text) {
        return (int) text.chars().filter(c -> c == '\n').count();
    }
}
