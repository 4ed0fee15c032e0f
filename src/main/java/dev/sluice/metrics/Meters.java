package dev.sluice.metrics;

import dev.sluice.metrics.SluiceMeter.Kind;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.composite.CompositeMeterRegistry;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.prometheus.metrics.core.metrics.Info;
import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * The one place where meters of the catalogue are registered: each gets its help, and exactly the labels that the catalogue
 * names.
 *
 * @param common labels that all of them carry
 */
record Meters(MeterRegistry registry, Tags common) {

    /** Meters of an engine, of which there is one. */
    static Meters ofEngine(MeterRegistry registry, String modelName) {
        return new Meters(registry, Tags.of("model_name", modelName, "engine", "0"));
    }

    /** Meters of the process. */
    static Meters ofProcess(MeterRegistry registry) {
        return new Meters(registry, Tags.empty());
    }

    /** A gauge that reads its value from an object. */
    <T> void gauge(SluiceMeter meter, T source, ToDoubleFunction<T> value, String... labels) {
        Gauge.builder(meter.id(), source, value)
                .description(meter.help())
                .tags(tags(meter, Kind.GAUGE, labels))
                .strongReference(true)
                .register(registry);
    }

    /** A counter that reads its value from an object. */
    <T> void counter(SluiceMeter meter, T source, ToDoubleFunction<T> value, String... labels) {
        FunctionCounter.builder(meter.id(), source, value)
                .description(meter.help())
                .tags(tags(meter, Kind.COUNTER, labels))
                .register(registry);
    }

    /** A counter that is counted up. */
    Counter counter(SluiceMeter meter, String... labels) {
        return Counter.builder(meter.id())
                .description(meter.help())
                .tags(tags(meter, Kind.COUNTER, labels))
                .register(registry);
    }

    /** A histogram with these upper bounds. */
    DistributionSummary histogram(SluiceMeter meter, double[] bounds, String... labels) {
        return DistributionSummary.builder(meter.id())
                .description(meter.help())
                .tags(tags(meter, Kind.HISTOGRAM, labels))
                .serviceLevelObjectives(bounds)
                .register(registry);
    }

    /** A fact, in the labels of a meter that is always 1. Of a name that ends in {@code _info}, Prometheus leaves no gauge. */
    void info(SluiceMeter meter, String... labels) {
        Tags tags = tags(meter, Kind.INFO, labels);
        if (registry instanceof CompositeMeterRegistry composite) {
            composite.getRegistries().forEach(part -> new Meters(part, common).info(meter, labels));
        } else if (registry instanceof PrometheusMeterRegistry prometheus) {
            Info.builder()
                    .name(meter.id())
                    .help(meter.help())
                    .labelNames(tags.stream().map(Tag::getKey).toArray(String[]::new))
                    .register(prometheus.getPrometheusRegistry())
                    .addLabelValues(tags.stream().map(Tag::getValue).toArray(String[]::new));
        } else {
            Gauge.builder(meter.exportedName(), () -> 1)
                    .description(meter.help())
                    .tags(tags)
                    .register(registry);
        }
    }

    /** @param labels keys and values in turn */
    Tags tags(SluiceMeter meter, Kind kind, String... labels) {
        Tags tags = common.and(labels);
        List<String> keys = tags.stream().map(Tag::getKey).sorted().toList();
        if (meter.kind() != kind
                || !keys.equals(meter.labels().stream().sorted().toList())) {
            throw new IllegalArgumentException(meter + " is a " + meter.kind() + " with labels " + meter.labels()
                    + ", not a " + kind + " with " + keys);
        }
        return tags;
    }
}
