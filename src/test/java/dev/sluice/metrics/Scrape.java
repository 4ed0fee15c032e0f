package dev.sluice.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads what a registry shows to Prometheus. */
final class Scrape {

    private Scrape() {}

    /** Sum of the lines with this name whose labels contain the given text; there must be one. */
    static double value(String page, String name, String labels) {
        Matcher line = Pattern.compile("(?m)^" + Pattern.quote(name) + "\\{([^}]*)} (\\S+)$")
                .matcher(page);
        double sum = 0;
        boolean found = false;
        while (line.find()) {
            if (line.group(1).contains(labels)) {
                sum += Double.parseDouble(line.group(2));
                found = true;
            }
        }
        assertThat(found).as(name).isTrue();
        return sum;
    }
}
