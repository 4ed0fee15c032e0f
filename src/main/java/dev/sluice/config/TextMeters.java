package dev.sluice.config;

import dev.sluice.api.TextWork;
import dev.sluice.api.TextWork.Refusal;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.Locale;

/** Shows how near the reading of bodies is to its bounds, and whom it has sent away. */
final class TextMeters {

    private TextMeters() {}

    static void register(MeterRegistry registry, TextWork work) {
        Gauge.builder("sluice_unread_calls", work, TextWork::queued).register(registry);
        Gauge.builder("sluice_unread_bytes", work, TextWork::bodyBytes).register(registry);
        for (Refusal reason : Refusal.values()) {
            FunctionCounter.builder("sluice_unread_calls_rejected", work, w -> (double) w.refusals(reason))
                    .tag("reason", reason.name().toLowerCase(Locale.ROOT))
                    .register(registry);
        }
    }
}
