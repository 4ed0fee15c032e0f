package dev.sluice.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** A setting that is wrong stops the start with one sentence, whatever was typed, at every level of the log. */
@ExtendWith(OutputCaptureExtension.class)
class SettingFailureAnalyzerTest {

    @EnableConfigurationProperties(SluiceProperties.class)
    @Configuration(proxyBeanMethods = false)
    static class Settings {

        @Bean
        Object keys(SluiceProperties properties) {
            return ApiKeys.read(properties.api());
        }
    }

    private static void start(String argument) {
        Throwable failure = catchThrowable(() -> new SpringApplicationBuilder(Settings.class)
                .web(WebApplicationType.NONE)
                .properties("logging.level.org.springframework.boot=debug")
                .run(argument, "--logging.level.org.springframework.boot.diagnostics=debug"));
        assertThat(failure).isNotNull();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--sluice.api.key=SECRET | sluice.api.key (\"sluice.api.key\" from property source \"commandLineArgs\"): there is no such setting",
                "--sluice.nothing.at.all=SECRET | there is no such setting",
                "--sluice.kv.blocks=SECRET | must be a whole number within 32 bits",
                "--sluice.admission.max-queued-tokens=SECRET | must be a whole number within 64 bits",
                "--sluice.kv.memory=SECRET | must be a size such as 4GB",
                "--sluice.shutdown.drain=SECRET | must be a time such as 30s",
                "--sluice.kv.prefix-caching=SECRET | must be true or false",
                "--sluice.executor.type=SECRET | must be one of cpu, cuda, simulator",
                "--sluice.scheduler.watermark=SECRET | must be of the type double",
                "--sluice.model.download.base-url=SEC RET: | must be of the type URI",
                "--sluice.kv.blocks=-77 | sluice.kv.blocks must be greater than or equal to 0",
                "--sluice.kv.block-size=7777 | sluice.kv.block-size must be less than or equal to 1024",
                "--sluice.api.keys=SECRET, | sluice.api.keys: key 2 is no key"
            })
    void theSettingIsNamedAndItsValueIsNot(String argument, String sentence, CapturedOutput output) {
        start(argument);
        assertThat(output.getAll()).contains("Sluice cannot start: ", sentence);
        assertThat(output.getAll().split("Sluice cannot start: ", -1)).hasSize(2);
        assertThat(output.getAll()).doesNotContain("SECRET", "SEC RET", "-77", "7777");
    }

    @Test
    void otherFailuresAreLeftToOthers() {
        assertThat(new SettingFailureAnalyzer().analyze(new IllegalStateException("x", new RuntimeException("y"))))
                .isNull();
    }
}
