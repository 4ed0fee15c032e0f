package dev.sluice.model.hub;

/** A model that the hub does not give, or gives wrongly; trying again does not help. One sentence for the operator. */
public final class HubException extends RuntimeException {

    private static final long serialVersionUID = 1;

    public HubException(String message) {
        super(message);
    }

    public HubException(String message, Throwable cause) {
        super(message, cause);
    }
}
