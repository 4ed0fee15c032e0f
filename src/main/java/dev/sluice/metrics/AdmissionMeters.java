package dev.sluice.metrics;

import dev.sluice.admission.AdmissionControl;
import dev.sluice.admission.Decision.Reason;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.Locale;

/** Shows how near admission is to its bounds, and how many it has refused. */
public final class AdmissionMeters {

    private AdmissionMeters() {}

    /** Registers all meters. */
    public static void register(MeterRegistry registry, AdmissionControl admission) {
        Meters meters = Meters.ofProcess(registry);
        meters.gauge(SluiceMeter.ADMITTED_SEQUENCES, admission, AdmissionControl::sequences);
        meters.gauge(SluiceMeter.WAITING_PROMPT_TOKENS, admission, AdmissionControl::waitingTokens);
        meters.gauge(SluiceMeter.ANSWER_MEMORY, admission, AdmissionControl::answerBytes);
        meters.gauge(SluiceMeter.ANSWER_MEMORY_MAX, admission, AdmissionControl::answerBytesMax);
        for (Reason reason : Reason.values()) {
            meters.counter(
                    SluiceMeter.REQUESTS_REJECTED,
                    admission,
                    a -> a.rejections(reason),
                    "reason",
                    reason.name().toLowerCase(Locale.ROOT));
        }
    }
}
