package dev.sluice.text;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A regular expression of a tokenizer file, read for its shape alone. The library runs it with backtracking: it aborts the
 * process when one match takes too many steps, and cannot be stopped otherwise. So only shapes whose time grows with the
 * text, and no faster, are served.
 *
 * <p>An unbounded repetition with something behind it that may fail reads its run of characters once for each place where a
 * search begins in it. That is fine if the next alternative then takes the whole run ({@code \s+(?!\S)|\s+}), or if the run
 * is one of white space or digits, whose length {@link #needsShortRuns} asks to bound.
 */
final class SplitPattern {

    private static final int LENGTH_MAX = 4096;
    private static final Pattern INTERVAL = Pattern.compile("\\{(\\d{1,6}(,\\d{0,6})?|,\\d{1,6})}");
    private static final Pattern POSIX_CLASS = Pattern.compile("\\[:\\^?[a-z]{1,10}:]");
    private static final Pattern AROUND_CLASS =
            Pattern.compile("^(?:\\(\\?[im-]*\\))+|(?<=[}dNs\\]])\\{\\d+}$"); // what changes no kind of run
    private static final Pattern HEX = Pattern.compile("[0-9a-fA-F]{1,4}");
    private static final int DEPTH_MAX = 8;
    private static final int CHOICES_MAX = 4; // before something that may fail: at most 16 ways to get there
    private static final int COUNT_MAX = 1000;
    private static final long SIZE_MAX = 10_000; // of the compiled pattern
    private static final String ESCAPES = "sSdDwWhHpPbBAzZrntfvaexu"; // letters with a meaning that is known here
    private static final Set<String> SHORT_RUNS =
            Set.of("\\s", "\\d", "\\p{N}", "\\p{Nd}", "[0-9]", "[\\s]", "[\\r\\n]");

    /**
     * @param atom what is repeated, as it is written, behind the switches that change its meaning
     * @param scan what is repeated without a bound, within or by this; {@link #SEVERAL} if that depends on the text
     * @param takesRun true if this is such a repetition alone, and takes all that it can
     * @param unbounded such repetitions
     * @param choices decisions that can be taken back, within or of this
     * @param mayFail false if this matches the empty text
     * @param fixed true if it always matches equally many characters, in one way
     * @param size characters that it is compiled to, about
     */
    private record Item(
            String atom,
            @Nullable String scan,
            boolean takesRun,
            int unbounded,
            int choices,
            boolean mayFail,
            boolean fixed,
            long size) {}

    private static final String SEVERAL = ""; // no alternative covers it, and its runs are not short

    private final String pattern;
    private int at;
    private String switches = ""; // those that hold here, in their order
    private boolean needsShortRuns;

    private SplitPattern(String pattern) {
        this.pattern = pattern;
    }

    /** @throws IllegalArgumentException saying what cannot be served */
    static SplitPattern parse(String pattern) {
        require(!pattern.isEmpty(), "is empty");
        require(pattern.length() <= LENGTH_MAX, "is longer than " + LENGTH_MAX + " characters");
        SplitPattern parsed = new SplitPattern(pattern);
        parsed.alternatives(0);
        require(parsed.at == pattern.length(), "has a ) without (");
        return parsed;
    }

    /** True if the time is bounded only where runs of white space and digits are. */
    boolean needsShortRuns() {
        return needsShortRuns;
    }

    private static void require(boolean rule, String otherwise) {
        if (!rule) {
            throw new IllegalArgumentException(otherwise);
        }
    }

    private boolean isAt(String text) {
        return pattern.startsWith(text, at);
    }

    private boolean take(String text) {
        boolean there = isAt(text);
        at += there ? text.length() : 0;
        return there;
    }

    /** Alternatives up to a closing bracket or the end, as one item. */
    private Item alternatives(int depth) {
        require(depth <= DEPTH_MAX, "has groups more than " + DEPTH_MAX + " deep");
        int start = at;
        String switchesBefore = switches;
        List<List<Item>> all = new ArrayList<>();
        do {
            all.add(sequence(depth));
        } while (take("|"));
        String scan = null;
        int unbounded = 0;
        int choices = 0;
        long size = 0;
        boolean mayFail = true;
        for (int i = 0; i < all.size(); i++) {
            List<Item> sequence = all.get(i);
            checkTime(sequence, all.subList(i + 1, all.size()));
            unbounded = Math.max(
                    unbounded, sequence.stream().mapToInt(Item::unbounded).sum());
            choices =
                    Math.max(choices, sequence.stream().mapToInt(Item::choices).sum());
            mayFail &= sequence.stream().anyMatch(Item::mayFail);
            for (Item item : sequence) {
                boolean another = scan != null && item.scan() != null && !scan.equals(item.scan());
                scan = another ? SEVERAL : scan == null ? item.scan() : scan;
                size += item.size();
            }
        }
        boolean one = all.size() == 1;
        boolean fixed = one && all.getFirst().stream().allMatch(Item::fixed);
        String atom = switchesBefore + pattern.substring(start, at);
        switches = switchesBefore; // they end with their group
        return new Item(atom, scan, false, unbounded, choices + (one ? 0 : 1), mayFail, fixed, size);
    }

    /** Bounds the ways in which a sequence may fail. */
    private void checkTime(List<Item> sequence, List<List<Item>> next) {
        int last = sequence.size() - 1;
        while (last >= 0 && !sequence.get(last).mayFail()) {
            last--;
        }
        int choices = 0;
        String scan = null;
        for (Item item : sequence.subList(0, Math.max(0, last))) {
            choices += item.choices();
            require(choices <= CHOICES_MAX, "has too many choices before a part that may fail");
            if (item.unbounded() > 0) {
                require(
                        scan == null && item.unbounded() == 1,
                        "repeats without a bound twice before a part that may fail");
                scan = item.scan();
            }
        }
        if (scan != null && !isCovered(scan, next)) {
            requireShortRun(scan);
        }
    }

    private void requireShortRun(String atom) {
        require(
                SHORT_RUNS.contains(AROUND_CLASS.matcher(atom).replaceAll("")),
                "repeats " + (atom.equals(SEVERAL) ? "one of several" : shortened(atom))
                        + " without a bound before a part that may fail, and no next alternative"
                        + " takes what it has read");
        needsShortRuns = true;
    }

    /** True if the next alternative that does not begin with such a scan too takes all that this one has read. */
    private static boolean isCovered(String scan, List<List<Item>> next) {
        for (List<Item> sequence : next) {
            int first = 0;
            while (first < sequence.size()
                    && !sequence.get(first).mayFail()
                    && sequence.get(first).unbounded() == 0) {
                first++;
            }
            boolean same = first < sequence.size()
                    && sequence.get(first).takesRun()
                    && scan.equals(sequence.get(first).scan());
            if (!same) {
                return false;
            }
            if (sequence.stream().skip(first + 1).noneMatch(Item::mayFail)) {
                return true;
            }
        }
        return false;
    }

    private List<Item> sequence(int depth) {
        List<Item> items = new ArrayList<>();
        while (at < pattern.length() && !isAt("|") && !isAt(")")) {
            Item item = item(depth);
            if (item != null) {
                items.add(quantified(item));
            }
        }
        return items;
    }

    /** One character, class, anchor or group; null if nothing is matched. */
    private @Nullable Item item(int depth) {
        int start = at;
        char c = pattern.charAt(at);
        if (c == '(') {
            at++;
            return group(depth, start);
        }
        require("*+?".indexOf(c) < 0 && !isInterval(), "has a quantifier behind nothing or behind another");
        if (c == '[') {
            characterClass(0);
        } else if (c == '\\') {
            escape();
        } else {
            at += Character.charCount(pattern.codePointAt(at));
        }
        return new Item(switches + pattern.substring(start, at), null, false, 0, 0, true, true, 1);
    }

    private @Nullable Item group(int depth, int start) {
        boolean look = take("?=") || take("?!");
        boolean plain = look || take("?:") || take("?>");
        if (!plain && isAt("?")) {
            require(!isAt("?<=") && !isAt("?<!"), "looks behind");
            at++;
            while (at < pattern.length() && "im-".indexOf(pattern.charAt(at)) >= 0) {
                at++;
            }
            String held = switches;
            switches += pattern.substring(start, at) + ")";
            if (take(")")) {
                return null; // for what follows, up to the end of the group
            }
            require(take(":"), "has a group of a kind that is not served");
            Item inner = alternatives(depth + 1);
            switches = held;
            require(take(")"), "has a ( without )");
            return inner;
        }
        Item inner = alternatives(depth + 1);
        require(take(")"), "has a ( without )");
        if (!look) {
            return inner;
        }
        if (inner.scan() != null) {
            require(inner.unbounded() == 1, "looks ahead without a bound twice");
            requireShortRun(inner.scan()); // once for each place where it looks
        }
        return new Item(switches + pattern.substring(start, at), null, false, 0, 0, true, false, inner.size());
    }

    private Item quantified(Item item) {
        long least;
        long most;
        if (take("*")) {
            least = 0;
            most = Long.MAX_VALUE;
        } else if (take("+")) {
            least = 1;
            most = Long.MAX_VALUE;
        } else if (take("?")) {
            least = 0;
            most = 1;
        } else if (isInterval()) {
            return interval(item);
        } else {
            return item;
        }
        boolean lazy = take("?");
        if (!lazy) {
            take("+"); // possessive
        }
        return repeated(item, least, most, lazy);
    }

    private boolean isInterval() {
        return INTERVAL.matcher(pattern).region(at, pattern.length()).lookingAt();
    }

    private Item interval(Item item) {
        int end = pattern.indexOf('}', at);
        String[] bounds = pattern.substring(at + 1, end).split(",", -1);
        at = end + 1;
        long least = bounds[0].isEmpty() ? 0 : Long.parseLong(bounds[0]);
        long most = bounds.length == 1 ? least : bounds[1].isEmpty() ? Long.MAX_VALUE : Long.parseLong(bounds[1]);
        require(least <= COUNT_MAX && (most <= COUNT_MAX || most == Long.MAX_VALUE), "repeats more than 1000 times");
        boolean lazy = least != most && take("?");
        return repeated(item, least, most, lazy);
    }

    private Item repeated(Item item, long least, long most, boolean lazy) {
        boolean again = at < pattern.length() && ("*+?".indexOf(pattern.charAt(at)) >= 0 || isInterval());
        require(!again, "repeats a repetition");
        if (most > 1) {
            require(
                    item.unbounded() == 0 && item.choices() == 0 && item.fixed(),
                    "repeats what repeats itself or has alternatives");
        }
        long size = item.size() * (most == Long.MAX_VALUE ? Math.max(1, least) : most);
        require(size <= SIZE_MAX, "is too large when its repetitions are written out");
        boolean exact = least == most;
        boolean unbounded = most - least > CHOICES_MAX;
        String atom = item.atom();
        return new Item(
                atom,
                unbounded ? atom : item.scan(),
                most == Long.MAX_VALUE && !lazy,
                item.unbounded() + (unbounded ? 1 : 0),
                item.choices() + (exact || unbounded ? 0 : (int) (most - least)),
                least > 0 && item.mayFail(),
                exact && item.fixed(),
                size);
    }

    private void escape() {
        at++;
        require(at < pattern.length(), "ends with \\");
        char c = pattern.charAt(at);
        require(!(c >= '1' && c <= '9') && c != 'k', "refers back to a group");
        boolean known = !Character.isLetterOrDigit(c) || ESCAPES.indexOf(c) >= 0;
        require(known, "has the escape \\" + c + ", which is not served");
        at += Character.charCount(pattern.codePointAt(at));
        if ("pP".indexOf(c) >= 0 || (c == 'x' && isAt("{"))) {
            int end = pattern.indexOf('}', at);
            require(isAt("{") && end > 0, "has \\" + c + " without {...}");
            at = end + 1;
        } else if (c == 'x' || c == 'u') {
            Matcher digits = HEX.matcher(pattern).region(at, Math.min(pattern.length(), at + (c == 'x' ? 2 : 4)));
            at = digits.lookingAt() ? digits.end() : at;
        }
    }

    private void characterClass(int depth) {
        require(depth <= DEPTH_MAX, "has classes more than " + DEPTH_MAX + " deep");
        at++;
        take("^");
        boolean first = true;
        while (!isAt("]") || first) {
            require(at < pattern.length(), "has a [ without ]");
            Matcher posix = POSIX_CLASS.matcher(pattern).region(at, pattern.length());
            if (posix.lookingAt()) {
                at = posix.end();
            } else if (isAt("[")) {
                characterClass(depth + 1);
            } else if (isAt("\\")) {
                escape();
            } else {
                at += Character.charCount(pattern.codePointAt(at));
            }
            first = false;
        }
        at++;
    }

    /** A part of a pattern for people to read. */
    static String shortened(String text) {
        String cut = text.length() <= 64 ? text : text.substring(0, 64) + "...";
        return cut.replaceAll("[\\p{Cntrl}\\p{Cs}]", "?");
    }
}
