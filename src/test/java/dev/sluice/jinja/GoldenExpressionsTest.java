package dev.sluice.jinja;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import tools.jackson.core.type.TypeReference;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Small templates against Python's own Jinja. What this room does not know it refuses: a prompt that differs silently from
 * the one that the model was trained with is the worse outcome.
 */
class GoldenExpressionsTest {

    private static final JsonMapper JSON = JsonMapper.shared();
    private static final InstantSource NOW = InstantSource.fixed(Instant.parse("2025-03-09T14:05:07Z"));

    @TestFactory
    Stream<DynamicTest> aTemplateMeansWhatItMeansInPython() throws IOException {
        JsonNode golden = JSON.readTree(Files.readAllBytes(Path.of("src/test/resources/golden/text/jinja.json")));
        Map<String, Object> variables = JSON.convertValue(golden.path("variables"), new TypeReference<>() {});
        return StreamSupport.stream(golden.path("cases").spliterator(), false)
                .map(sample -> DynamicTest.dynamicTest(
                        sample.path("source").asString(),
                        () -> check(
                                sample.path("source").asString(),
                                sample.has("text") && !sample.path("refused").asBoolean()
                                        ? sample.path("text").asString()
                                        : null,
                                variables)));
    }

    private static void check(String source, String expected, Map<String, Object> variables) {
        if (expected == null) {
            assertThatThrownBy(() -> render(source, variables)).isInstanceOf(TemplateException.class);
        } else {
            assertThat(render(source, variables)).isEqualTo(expected);
        }
    }

    private static String render(String source, Map<String, Object> variables) {
        return Template.parse(source)
                .render(Map.of(), variables, TemplateLimits.DEFAULT, () -> 0, NOW)
                .chars();
    }
}
