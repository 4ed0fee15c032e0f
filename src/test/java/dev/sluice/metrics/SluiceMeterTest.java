package dev.sluice.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class SluiceMeterTest {

    @Test
    void theReferenceIsTheCatalogue() throws Exception {
        String table = Stream.of(SluiceMeter.values())
                .map(meter -> "| `%s` | %s | %s | %s | %s |"
                        .formatted(
                                meter.exportedName(),
                                meter.kind().name().toLowerCase(Locale.ROOT),
                                meter.unit(),
                                meter.labels().stream().map(l -> "`" + l + "`").collect(Collectors.joining(", ")),
                                meter.help()))
                .collect(Collectors.joining("\n"));
        assertThat(Files.readString(Path.of("src/docs/metrics.md")))
                .as("the rows of src/docs/metrics.md are those of SluiceMeter")
                .contains("|---|---|---|---|---|\n" + table + "\n");
    }

    @Test
    void aMeterIsRegisteredWithTheLabelsOfTheCatalogueOnly() {
        Meters meters = Meters.ofEngine(new SimpleMeterRegistry(), "m");
        assertThatThrownBy(() -> meters.counter(SluiceMeter.TIER_TOKENS, "tier", "host"))
                .hasMessageContaining("TIER_TOKENS")
                .hasMessageContaining("direction");
        assertThatThrownBy(() -> meters.counter(SluiceMeter.PREEMPTIONS, "reason", "x"))
                .hasMessageContaining("reason");
        assertThatThrownBy(() -> meters.counter(SluiceMeter.RUNNING)).hasMessageContaining("GAUGE");
    }
}
