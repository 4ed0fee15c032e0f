package dev.sluice.jinja;

/** A piece of an expression or statement: its kind, its characters, and the line for error messages. */
record Token(Kind kind, String text, int line) {

    /** What a token is. */
    enum Kind {
        NAME,
        STRING,
        INTEGER,
        FLOAT,
        OPERATOR,
        END
    }

    boolean is(String operator) {
        return kind == Kind.OPERATOR && text.equals(operator);
    }

    boolean isName(String name) {
        return kind == Kind.NAME && text.equals(name);
    }
}
