package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The packaged jar, started with what it cannot serve: one sentence that names the cause, exit code 1. */
class FailedStartIT {

    @TempDir
    private Path directory;

    @Test
    void aMissingModelDirectoryEndsTheStart() throws Exception {
        assertThat(sentence("--sluice.model.path=" + directory.resolve("nothing")))
                .contains("nothing");
    }

    @Test
    void aTruncatedWeightsFileEndsTheStart() throws Exception {
        Path model = Path.of("src/main/resources/models/minimind2-small");
        for (String name : List.of("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")) {
            Files.copy(model.resolve(name), directory.resolve(name));
        }
        try (FileChannel weights = FileChannel.open(directory.resolve("model.safetensors"), StandardOpenOption.WRITE)) {
            weights.truncate(1_000_000);
        }
        assertThat(sentence("--sluice.model.path=" + directory)).contains("model.safetensors");
    }

    @Test
    void aBudgetBelowTheBatchEndsTheStart() throws Exception {
        assertThat(sentence("--sluice.scheduler.max-batched-tokens=10")).contains("max-batched-tokens");
    }

    private String sentence(String argument) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "@" + Path.of("config/jvm.options").toAbsolutePath(),
                "-jar",
                jar().toString(),
                "--server.port=0",
                "--management.server.port=0",
                argument));
        Path log = directory.resolve("log");
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        try {
            assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        } finally {
            process.destroyForcibly();
        }
        String output = Files.readString(log);
        assertThat(process.exitValue()).as(output).isEqualTo(1);
        List<String> sentences = output.lines()
                .filter(line -> line.contains("Sluice cannot start: "))
                .toList();
        assertThat(sentences).as(output).hasSize(1);
        assertThat(output).doesNotContain("\tat ");
        return sentences.getFirst();
    }

    private static Path jar() throws IOException {
        try (Stream<Path> files = Files.list(Path.of("target"))) {
            return files.filter(file -> file.getFileName().toString().matches("sluice-.*\\.jar"))
                    .findFirst()
                    .orElseThrow()
                    .toAbsolutePath();
        }
    }
}
