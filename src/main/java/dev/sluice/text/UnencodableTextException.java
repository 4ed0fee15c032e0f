package dev.sluice.text;

/** A text that a tokenizer does not read, since it could take too long. The message says what the text has. */
public final class UnencodableTextException extends RuntimeException {

    private static final long serialVersionUID = 1;

    public UnencodableTextException(String message) {
        super(message);
    }
}
