package dev.sluice.jinja;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A string that knows which of its characters came from the client.
 *
 * <p>The marks survive concatenation, slicing, stripping, splitting and replacing; where an operation rebuilds the
 * characters, the result counts as the client's as a whole if any part of the source did. Equality looks at characters
 * only.
 */
public final class Text implements Comparable<Text> {

    static final Text EMPTY = new Text("", new int[0]);

    private static final int[] NOTHING = {};

    private final String chars;
    private final int[] client; // ascending, disjoint: start, end, start, end, ...

    private Text(String chars, int[] client) {
        this.chars = chars;
        this.client = client;
    }

    /** Text of the template itself. */
    static Text own(String chars) {
        return new Text(chars, NOTHING);
    }

    /** Text that the client wrote. */
    public static Text client(String chars) {
        return chars.isEmpty() ? EMPTY : new Text(chars, new int[] {0, chars.length()});
    }

    /** Rebuilt text: the client's if {@code source} has anything of the client's. */
    static Text derived(String chars, boolean fromClient) {
        return fromClient ? client(chars) : own(chars);
    }

    public String chars() {
        return chars;
    }

    /** Client ranges: start, end, start, end, ... */
    public int[] clientRanges() {
        return client.clone();
    }

    boolean hasClient() {
        return client.length > 0;
    }

    int length() {
        return chars.length();
    }

    boolean isEmpty() {
        return chars.isEmpty();
    }

    Text plus(Text other) {
        if (other.isEmpty()) {
            return this;
        }
        if (isEmpty()) {
            return other;
        }
        Builder builder = new Builder();
        builder.append(this);
        builder.append(other);
        return builder.build();
    }

    Text slice(int from, int to) {
        if (from >= to) {
            return EMPTY;
        }
        int[] ranges = new int[client.length];
        int count = 0;
        for (int i = 0; i < client.length; i += 2) {
            int start = Math.max(client[i], from);
            int end = Math.min(client[i + 1], to);
            if (start < end) {
                ranges[count++] = start - from;
                ranges[count++] = end - from;
            }
        }
        return new Text(chars.substring(from, to), Arrays.copyOf(ranges, count));
    }

    /** Removes leading and/or trailing characters; null removes white space. */
    Text strip(@Nullable String set, boolean left, boolean right) {
        int from = 0;
        int to = chars.length();
        while (left && from < to && isIn(set, chars.charAt(from))) {
            from++;
        }
        while (right && to > from && isIn(set, chars.charAt(to - 1))) {
            to--;
        }
        return slice(from, to);
    }

    private static boolean isIn(@Nullable String set, char c) {
        return set == null ? Character.isWhitespace(c) || c == '\u00a0' || c == '\u0085' : set.indexOf(c) >= 0;
    }

    Text replace(String target, Text replacement, int limit) {
        if (target.isEmpty() || limit == 0) {
            return this;
        }
        Builder builder = new Builder();
        int from = 0;
        int at = chars.indexOf(target);
        for (int n = 0; at >= 0 && (limit < 0 || n < limit); n++) {
            builder.append(slice(from, at));
            builder.append(replacement);
            from = at + target.length();
            at = chars.indexOf(target, from);
        }
        builder.append(slice(from, chars.length()));
        return builder.build();
    }

    /** Splits at a separator, at most {@code limit} times if that is not negative. */
    List<Object> split(String separator, int limit) {
        List<Object> parts = new ArrayList<>();
        int from = 0;
        int at = chars.indexOf(separator);
        while (at >= 0 && (limit < 0 || parts.size() < limit)) {
            parts.add(slice(from, at));
            from = at + separator.length();
            at = chars.indexOf(separator, from);
        }
        parts.add(slice(from, chars.length()));
        return parts;
    }

    /** Splits at runs of white space, dropping empty parts, at most {@code limit} times if that is not negative. */
    List<Object> splitWhitespace(int limit) {
        List<Object> parts = new ArrayList<>();
        int from = -1;
        for (int i = 0; i <= chars.length(); i++) {
            if (from >= 0 && parts.size() == limit) {
                parts.add(slice(from, chars.length()));
                return parts;
            }
            boolean space = i == chars.length() || isIn(null, chars.charAt(i));
            if (space && from >= 0) {
                parts.add(slice(from, i));
                from = -1;
            } else if (!space && from < 0) {
                from = i;
            }
        }
        return parts;
    }

    @Override
    public int compareTo(Text other) {
        return chars.compareTo(other.chars);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Text text && chars.equals(text.chars);
    }

    @Override
    public int hashCode() {
        return chars.hashCode();
    }

    @Override
    public String toString() {
        return chars;
    }

    /** Collects text piece by piece. */
    static final class Builder {
        private final StringBuilder chars = new StringBuilder();
        private int[] client = new int[8];
        private int count;

        int length() {
            return chars.length();
        }

        void append(Text text) {
            int offset = chars.length();
            chars.append(text.chars);
            for (int i = 0; i < text.client.length; i += 2) {
                int start = offset + text.client[i];
                int end = offset + text.client[i + 1];
                if (count > 0 && client[count - 1] == start) {
                    client[count - 1] = end;
                    continue;
                }
                if (count == client.length) {
                    client = Arrays.copyOf(client, count * 2);
                }
                client[count++] = start;
                client[count++] = end;
            }
        }

        Text build() {
            return new Text(chars.toString(), Arrays.copyOf(client, count));
        }
    }
}
