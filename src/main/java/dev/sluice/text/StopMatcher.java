package dev.sluice.text;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Looks for stop strings in a text that comes in pieces. Text that may be the beginning of a stop string is held back
 * until it is known not to be; after a match nothing comes out any more.
 *
 * <p>The match that ends first wins, and among those that end at the same place the longest: so the result does not
 * depend on how the text is cut into pieces. One automaton state per stop string (Knuth, Morris, Pratt), so the time is
 * linear in the text.
 */
public final class StopMatcher {

    private final String[] stops;
    private final int[][] failures;
    private final int[] states;
    private final boolean includeStop;
    private final StringBuilder held = new StringBuilder();
    private @Nullable String matched;

    /**
     * @param stops none of them empty
     * @param includeStop let the matched stop string out with the text
     */
    public StopMatcher(List<String> stops, boolean includeStop) {
        this.stops = stops.toArray(String[]::new);
        this.includeStop = includeStop;
        failures = new int[this.stops.length][];
        for (int i = 0; i < failures.length; i++) {
            failures[i] = failureFunction(this.stops[i]);
        }
        states = new int[this.stops.length];
    }

    private static int[] failureFunction(String stop) {
        int[] failure = new int[stop.length()];
        int state = 0;
        for (int i = 1; i < stop.length(); i++) {
            while (state > 0 && stop.charAt(i) != stop.charAt(state)) {
                state = failure[state - 1];
            }
            state += stop.charAt(i) == stop.charAt(state) ? 1 : 0;
            failure[i] = state;
        }
        return failure;
    }

    /** Takes a piece of text; returns what is now certain to come before any stop string. */
    public String accept(String piece) {
        if (matched != null) {
            return "";
        }
        if (stops.length == 0) {
            return piece;
        }
        for (int i = 0; i < piece.length(); i++) {
            held.append(piece.charAt(i));
            String stop = advance(piece.charAt(i));
            if (stop != null) {
                matched = stop;
                int length = held.length() - (includeStop ? 0 : stop.length());
                String out = held.substring(0, length);
                held.setLength(0);
                return out;
            }
        }
        int keep = 0;
        for (int state : states) {
            keep = Math.max(keep, state);
        }
        int length = held.length() - keep;
        if (length > 0 && length < held.length() && Character.isLowSurrogate(held.charAt(length))) {
            length--; // both halves of a character go together
        }
        String out = held.substring(0, length);
        held.delete(0, length);
        return out;
    }

    private @Nullable String advance(char c) {
        String longest = null;
        for (int i = 0; i < stops.length; i++) {
            String stop = stops[i];
            int state = states[i];
            while (state > 0 && stop.charAt(state) != c) {
                state = failures[i][state - 1];
            }
            state += stop.charAt(state) == c ? 1 : 0;
            if (state == stop.length()) {
                longest = longest == null || stop.length() > longest.length() ? stop : longest;
                state = failures[i][state - 1];
            }
            states[i] = state;
        }
        return longest;
    }

    /** The stop string that was found, or null. */
    public @Nullable String matched() {
        return matched;
    }

    /** The text ends: lets out what was held back. */
    public String finish() {
        String out = matched == null ? held.toString() : "";
        held.setLength(0);
        return out;
    }
}
