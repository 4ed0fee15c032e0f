package dev.sluice.metrics;

import dev.sluice.api.TextWork;
import dev.sluice.api.TextWork.Refusal;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.Locale;

/** Shows how near the work on the text of calls is to its bounds, and how many calls it has refused. */
public final class TextMeters {

    private TextMeters() {}

    /** Registers all meters. */
    public static void register(MeterRegistry registry, TextWork work) {
        Meters meters = Meters.ofProcess(registry);
        meters.gauge(SluiceMeter.UNREAD_CALLS, work, TextWork::queued);
        meters.gauge(SluiceMeter.UNREAD_BYTES, work, TextWork::bodyBytes);
        for (Refusal reason : Refusal.values()) {
            meters.counter(
                    SluiceMeter.UNREAD_CALLS_REJECTED,
                    work,
                    w -> w.refusals(reason),
                    "reason",
                    reason.name().toLowerCase(Locale.ROOT));
        }
    }
}
