package dev.sluice.metrics;

import dev.sluice.api.connection.Connections;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.HashMap;
import java.util.Map;
import java.util.function.IntConsumer;

/** Shows how many connections there are, and what they were refused for. */
public final class HttpMeters {

    private static final int[] REFUSALS = {400, 414, 417, 431, 501, 503, 505};

    private HttpMeters() {}

    /** Shows the connections of one port. */
    public static void watch(MeterRegistry registry, String port, Connections connections) {
        Meters meters = Meters.ofProcess(registry);
        meters.gauge(SluiceMeter.HTTP_CONNECTIONS, connections, Connections::open, "port", port);
        meters.gauge(SluiceMeter.HTTP_CONNECTIONS_MAX, connections, Connections::max, "port", port);
    }

    /** Counts refusals by status; all counters are there from the start, so that no client makes the metrics grow. */
    public static IntConsumer refusals(MeterRegistry registry, String port) {
        Meters meters = Meters.ofProcess(registry);
        Map<Integer, Counter> counters = new HashMap<>();
        for (int status : REFUSALS) {
            counters.put(
                    status, meters.counter(SluiceMeter.HTTP_REFUSED, "port", port, "status", Integer.toString(status)));
        }
        return status -> {
            Counter counter = counters.get(status);
            if (counter != null) {
                counter.increment();
            }
        };
    }

    /** Counts connections that were closed because their clients did not read. */
    public static Runnable stalledReaders(MeterRegistry registry) {
        return Meters.ofProcess(registry).counter(SluiceMeter.HTTP_STALLED_READERS)::increment;
    }
}
