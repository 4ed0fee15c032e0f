package dev.sluice.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import dev.sluice.request.PrefillRecord;
import dev.sluice.scheduler.RequestTimeline;
import dev.sluice.scheduler.SchedulerSnapshot;
import dev.sluice.scheduler.Timelines;
import dev.sluice.testkit.LogLines;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

/** The line of each interval tells of that interval alone, and there is none if nothing happened. */
class EngineLogTest {

    private static final Logger LOG = (Logger) LoggerFactory.getLogger(EngineLog.class);
    private static final SchedulerSnapshot IDLE = snapshot(0, 0);

    private final RequestMetricsRecorder recorder =
            new RequestMetricsRecorder(new PrometheusMeterRegistry(PrometheusConfig.DEFAULT), "m", 4096);
    private SchedulerSnapshot snapshot = IDLE;

    @BeforeEach
    void hear() {
        LOG.setLevel(Level.INFO);
    }

    @AfterEach
    void hearNoMore() {
        LOG.setLevel(null);
    }

    private static SchedulerSnapshot snapshot(int running, int waiting) {
        return new SchedulerSnapshot(running, waiting, 0, 5, 20, 0, 0, 0, 0, false, 0);
    }

    private List<String> tick(EngineLog log) {
        try (LogLines lines = LogLines.recordThread()) {
            log.tick(10);
            return lines.at(Level.INFO);
        }
    }

    private void prefill(int prompt) {
        PrefillRecord record = new PrefillRecord(prompt, 0, 0);
        recorder.onPrefilled(Timelines.finished(record, 1), record);
    }

    @Test
    void aLineHasTheRatesOfItsInterval() {
        prefill(1000); // before the log begins
        EngineLog log = new EngineLog(recorder, () -> snapshot);
        snapshot = snapshot(2, 3);
        prefill(55);
        RequestTimeline request = Timelines.finished(new PrefillRecord(5, 0, 0), 2);
        recorder.onToken(request, RequestTimeline.NEVER);
        recorder.onLocalLookup(80, 30, false);
        String start = "INFO " + EngineLog.class.getName() + ": ";
        String state = " tokens/s, running 2, waiting 3, KV cache 25.0 %, prefix hits 37.5 %";
        assertThat(tick(log)).containsExactly(start + "prompt 5.5 tokens/s, generation 0.1" + state);
        assertThat(tick(log)).containsExactly(start + "prompt 0.0 tokens/s, generation 0.0" + state);
    }

    @Test
    void eachKindOfLifeIsWorthALine() {
        EngineLog log = new EngineLog(recorder, () -> snapshot);
        assertThat(tick(log)).isEmpty();
        prefill(5);
        assertThat(tick(log)).hasSize(1);
        assertThat(tick(log)).isEmpty();
        recorder.onToken(Timelines.finished(new PrefillRecord(5, 0, 0), 2), RequestTimeline.NEVER);
        assertThat(tick(log)).hasSize(1);
        snapshot = snapshot(1, 0);
        assertThat(tick(log)).hasSize(1);
        snapshot = snapshot(0, 1);
        assertThat(tick(log)).hasSize(1);
        snapshot = IDLE;
        assertThat(tick(log)).isEmpty();
    }

    @Test
    void twoKindsOfLifeAreNotLessThanOne() {
        EngineLog log = new EngineLog(recorder, () -> snapshot);
        prefill(1);
        recorder.onToken(Timelines.finished(new PrefillRecord(1, 0, 0), 1), RequestTimeline.NEVER);
        assertThat(tick(log)).hasSize(1);
        prefill(1);
        snapshot = snapshot(1, 0);
        assertThat(tick(log)).hasSize(1);
        snapshot = snapshot(1, 1);
        assertThat(tick(log)).hasSize(1);
    }
}
