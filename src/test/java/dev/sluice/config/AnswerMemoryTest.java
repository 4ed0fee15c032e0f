package dev.sluice.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.boot.context.properties.source.MapConfigurationPropertySource;

/** What answers may take follows the heap, unless it is set. */
class AnswerMemoryTest {

    private static final long MB = 1 << 20;
    private static final String ONE = "sluice.api.max-answer-memory";
    private static final String ALL = "sluice.admission.max-answer-memory";

    private static AnswerMemory memory(Map<String, String> settings, long heap) {
        Binder binder = new Binder(new MapConfigurationPropertySource(settings));
        return AnswerMemory.of(binder.bindOrCreate("sluice", SluiceProperties.class), heap);
    }

    @Test
    void aQuarterOfTheHeapIsForAnswersAndAnEighthOfThatForOne() {
        assertThat(memory(Map.of(), 512 * MB)).isEqualTo(new AnswerMemory(16 * MB, 128 * MB));
        assertThat(memory(Map.of(), 1024 * MB)).isEqualTo(new AnswerMemory(32 * MB, 256 * MB));
        assertThat(memory(Map.of(), MB)).isEqualTo(new AnswerMemory(MB, MB));
        assertThat(memory(Map.of(), 1L << 40)).isEqualTo(new AnswerMemory(1024 * MB, 1L << 38));
        assertThat(memory(Map.of(ALL, "80MB"), 512 * MB)).isEqualTo(new AnswerMemory(10 * MB, 80 * MB));
        assertThat(memory(Map.of(ONE, "100MB"), 512 * MB)).isEqualTo(new AnswerMemory(100 * MB, 128 * MB));
    }

    @Test
    void whatCannotBeStopsTheStart() {
        assertThatThrownBy(() -> memory(Map.of(ONE, "129MB"), 512 * MB))
                .isInstanceOf(IllegalSettingException.class)
                .hasMessageContainingAll(ONE, ALL);
        assertThatThrownBy(() -> memory(Map.of(ONE, "2GB"), 1L << 40)).hasMessageContaining("1GB");
        assertThatThrownBy(() -> memory(Map.of(ALL, "1KB"), 512 * MB)).hasMessageContaining(ALL);
        assertThatThrownBy(() -> memory(Map.of(ONE, "-1MB"), 512 * MB)).hasMessageContaining(ONE);
    }
}
