package dev.sluice.config;

/** A setting that the server cannot start with; the message is one sentence that names it, and never its value if secret. */
final class IllegalSettingException extends IllegalArgumentException {

    private static final long serialVersionUID = 1;

    IllegalSettingException(String message) {
        super(message);
    }
}
