package dev.sluice.jinja;

import java.time.Duration;

/** Bounds of one rendering. */
public record TemplateLimits(long steps, int outputCharacters, Duration time) {

    /** Far above any real template. */
    public static final TemplateLimits DEFAULT = new TemplateLimits(1_000_000, 4 << 20, Duration.ofMillis(250));
}
