package dev.sluice.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.testkit.VirtualClock;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class LoadProgressTest {

    private static final long MIB = 1L << 20;

    private final VirtualClock clock = new VirtualClock();
    private final StringWriter screen = new StringWriter();
    private final LoadProgress progress = new LoadProgress(clock, new PrintWriter(screen));

    @Test
    void aTerminalShowsOneLineThatMovesAndEnds() {
        progress.advanced("config.json", 0, 1, 100 * MIB, 400 * MIB); // the rest of an earlier attempt
        clock.advanceNanos(Duration.ofSeconds(4).toNanos());
        progress.advanced("model.safetensors", 0, 1, 300 * MIB, 400 * MIB);
        progress.advanced("model.safetensors", 0, 1, 301 * MIB, 400 * MIB); // too soon to be drawn again
        clock.advanceNanos(Duration.ofSeconds(1).toNanos());
        progress.advanced("model.safetensors", 0, 1, 400 * MIB, 400 * MIB);

        String[] lines = screen.toString().split("\r", -1);
        assertThat(lines).hasSize(4);
        assertThat(lines[1])
                .startsWith("[#######-----------------------]  25 %  100 of 400 MiB  0.0 MiB/s  config.json ");
        assertThat(lines[2])
                .startsWith("[######################--------]  75 %  300 of 400 MiB  50.0 MiB/s  model.safetensors ");
        assertThat(lines[3])
                .startsWith("[##############################] 100 %  400 of 400 MiB  60.0 MiB/s  model.safetensors ")
                .endsWith("\n");
        assertThat(lines[1]).hasSameSizeAs(lines[2]);
        assertThat(progress.share()).isEqualTo(1);
    }

    @Test
    void aProcessWithoutATerminalHasNoBar() {
        LoadProgress ofTests = LoadProgress.ofProcess(clock); // their output is redirected
        ofTests.advanced("config.json", 0, 1, 1, 2);
        assertThat(ofTests.share()).isEqualTo(0.5);
    }

    @Test
    void elsewhereNothingIsDrawn() {
        LoadProgress logged = new LoadProgress(clock, null);
        logged.advanced("config.json", 0, 1, 0, 0);
        assertThat(logged.share()).isZero();
        assertThat(screen.toString()).isEmpty();
    }
}
