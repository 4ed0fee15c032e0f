package dev.sluice.jinja;

/** A template that cannot be parsed, or that failed while it was rendered. */
public final class TemplateException extends RuntimeException {

    private static final long serialVersionUID = 1;

    /** Why rendering ended. */
    public enum Kind {
        /** The template's source is wrong. */
        SYNTAX,
        /** The template does something with a value that the value cannot do. */
        EVALUATION,
        /** The template called {@code raise_exception}. */
        RAISED,
        /** The template outran its steps, its time or its output. */
        LIMIT
    }

    private final Kind kind;

    public TemplateException(Kind kind, String message) {
        super(message);
        this.kind = kind;
    }

    public Kind kind() {
        return kind;
    }

    static TemplateException syntax(int line, String message) {
        return new TemplateException(Kind.SYNTAX, "line " + line + ": " + message);
    }

    static TemplateException evaluation(String message) {
        return new TemplateException(Kind.EVALUATION, message);
    }
}
