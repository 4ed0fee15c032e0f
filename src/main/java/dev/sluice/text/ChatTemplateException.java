package dev.sluice.text;

/** The template refused the conversation, or outran its bounds. */
public final class ChatTemplateException extends RuntimeException {

    private static final long serialVersionUID = 1;

    private final boolean clientFault;

    /** @param clientFault true if the template itself raised the error about the conversation */
    public ChatTemplateException(String message, boolean clientFault) {
        super(message);
        this.clientFault = clientFault;
    }

    public boolean clientFault() {
        return clientFault;
    }
}
