package dev.sluice.jinja;

import java.util.function.LongSupplier;

/** What one rendering may spend. Every step and every character built is counted; the clock is looked at now and then. */
final class Budget {

    private static final int STEPS_BETWEEN_LOOKS = 1024;

    private final LongSupplier nanos;
    private final TemplateLimits limits;
    private final long deadlineNanos;
    private long steps;
    private long characters;

    Budget(LongSupplier nanos, TemplateLimits limits) {
        this.nanos = nanos;
        this.limits = limits;
        deadlineNanos = nanos.getAsLong() + limits.time().toNanos();
    }

    void step() {
        if (++steps > limits.steps()) {
            throw exceeded("steps", limits.steps());
        }
        if (steps % STEPS_BETWEEN_LOOKS == 0 && nanos.getAsLong() - deadlineNanos > 0) {
            throw exceeded("milliseconds", limits.time().toMillis());
        }
    }

    /** Counts text before it is built. */
    void characters(long count) {
        characters += count;
        if (count > limits.outputCharacters() || characters > 16L * limits.outputCharacters()) {
            throw exceeded("characters", limits.outputCharacters());
        }
    }

    /** Checks the size of what is printed. */
    void output(long length) {
        if (length > limits.outputCharacters()) {
            throw exceeded("characters", limits.outputCharacters());
        }
    }

    private static TemplateException exceeded(String unit, long limit) {
        return new TemplateException(
                TemplateException.Kind.LIMIT, "the chat template exceeded its limit of " + limit + " " + unit);
    }
}
