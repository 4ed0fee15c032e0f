package dev.sluice.text;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class StopMatcherPropertyTest {

    @Test
    void anyCutOfTheTextGivesWhatAWholeSearchGives() {
        for (int seed = 0; seed < 5_000; seed++) {
            Random random = new Random(seed);
            String text = letters(random, random.nextInt(40));
            List<String> stops = new ArrayList<>();
            for (int i = 0; i <= random.nextInt(3); i++) {
                stops.add(letters(random, 1 + random.nextInt(5)));
            }
            boolean include = random.nextBoolean();
            StopMatcher matcher = new StopMatcher(stops, include);
            StringBuilder out = new StringBuilder();
            for (int at = 0; at < text.length(); ) {
                int end = Math.min(text.length(), at + 1 + random.nextInt(5));
                out.append(matcher.accept(text.substring(at, end)));
                assertThat(expected(text, stops, include)).as("seed %d", seed).startsWith(out.toString());
                at = end;
            }
            out.append(matcher.finish());
            assertThat(out.toString()).as("seed %d", seed).isEqualTo(expected(text, stops, include));
        }
    }

    /** Three letters, so that stops overlap and are prefixes of themselves. */
    private static String letters(Random random, int length) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < length; i++) {
            text.append((char) ('a' + random.nextInt(3)));
        }
        return text.toString();
    }

    /** The match that ends first, the longest among those. */
    private static String expected(String text, List<String> stops, boolean include) {
        for (int end = 1; end <= text.length(); end++) {
            String best = "";
            for (String stop : stops) {
                if (text.startsWith(stop, end - stop.length()) && stop.length() > best.length()) {
                    best = stop;
                }
            }
            if (!best.isEmpty()) {
                return text.substring(0, include ? end : end - best.length());
            }
        }
        return text;
    }

    @Test
    void aStopSplitOverThreePiecesIsCutExactly() {
        StopMatcher matcher = new StopMatcher(List.of("<end>"), false);
        assertThat(matcher.accept("some text <e")).isEqualTo("some text ");
        assertThat(matcher.accept("nd")).isEmpty();
        assertThat(matcher.accept("> more")).isEmpty();
        assertThat(matcher.matched()).isEqualTo("<end>");
        assertThat(matcher.accept("never")).isEmpty();
        assertThat(matcher.finish()).isEmpty();
    }
}
