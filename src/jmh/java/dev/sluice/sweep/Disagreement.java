package dev.sluice.sweep;

/** Two counts of the same thing differ. */
final class Disagreement extends RuntimeException {

    private static final long serialVersionUID = 1;

    Disagreement(String message) {
        super(message);
    }
}
