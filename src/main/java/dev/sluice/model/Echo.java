package dev.sluice.model;

/** Text of a model file as it may stand in a message: in quotes, cut, and without anything a terminal would obey. */
final class Echo {

    /** The longest real tensor names are below 100 characters. */
    private static final int LENGTH_MAX = 120;

    private Echo() {}

    static String of(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (int i = 0; i < text.length(); i++) {
            if (i == LENGTH_MAX) {
                return quoted.append("...\"").toString();
            }
            char c = text.charAt(i);
            if (c == '"' || c == '\\') {
                quoted.append('\\').append(c);
            } else if (c < ' ' || c > '~') {
                quoted.append(String.format("\\u%04x", (int) c));
            } else {
                quoted.append(c);
            }
        }
        return quoted.append('"').toString();
    }
}
