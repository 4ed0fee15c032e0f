package dev.sluice.metrics;

import dev.sluice.admission.AdmissionControl;
import dev.sluice.admission.Decision.Reason;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.Locale;

/** Shows how near the door is to its bounds, and whom it has sent away. */
public final class AdmissionMeters {

    private AdmissionMeters() {}

    /** Registers all meters. */
    public static void register(MeterRegistry registry, AdmissionControl door) {
        Gauge.builder("sluice_admitted_sequences", door, AdmissionControl::sequences)
                .register(registry);
        Gauge.builder("sluice_waiting_prompt_tokens", door, AdmissionControl::waitingTokens)
                .register(registry);
        for (Reason reason : Reason.values()) {
            FunctionCounter.builder("sluice_requests_rejected", door, d -> (double) d.rejections(reason))
                    .tag("reason", reason.name().toLowerCase(Locale.ROOT))
                    .register(registry);
        }
    }
}
