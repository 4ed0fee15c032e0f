package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The packaged jar, started with what it cannot serve: the log ends with one sentence that names the cause, exit code 1. */
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
    void aTokenizerThatWouldEndTheProcessEndsTheStart() throws Exception {
        Path model = Path.of("src/main/resources/models/minimind2-small");
        for (String name : List.of("config.json", "tokenizer_config.json", "model.safetensors")) {
            Files.copy(model.resolve(name), directory.resolve(name));
        }
        String split =
                "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a+)+$\"},\"behavior\":\"Isolated\",\"invert\":false}";
        String tokenizer = Files.readString(model.resolve("tokenizer.json"));
        String changed = tokenizer.replaceFirst(
                "\"pre_tokenizer\": *\\{[^}]*}", "\"pre_tokenizer\":" + split.replace("$", "\\$"));
        assertThat(changed).isNotEqualTo(tokenizer);
        Files.writeString(directory.resolve("tokenizer.json"), changed);
        assertThat(sentence("--sluice.model.path=" + directory))
                .contains("tokenizer.json: pre_tokenizer.pattern.Regex \"(a+)+$\" repeats what repeats itself");
    }

    @Test
    void aBudgetBelowTheBatchEndsTheStart() throws Exception {
        assertThat(sentence("--sluice.scheduler.max-batched-tokens=10")).contains("max-batched-tokens");
    }

    @Test
    void aKeysFileWithoutAKeyEndsTheStart() throws Exception {
        Path keys = Files.writeString(directory.resolve("keys"), "\n");
        assertThat(sentence("--sluice.api.keys-file=" + keys)).contains("sluice.api.keys-file holds no key");
        assertThat(sentence("--sluice.api.keys= ")).contains("sluice.api.keys: key 1 is no key");
    }

    @Test
    void aSecretUnderAMisspeltNameIsNotRepeated() throws Exception {
        assertThat(sentence("--sluice.api.key=my-secret"))
                .contains("sluice.api.key", "there is no such setting")
                .doesNotContain("my-secret");
    }

    @Test
    void moreMemoryThanTheMachineHasEndsTheStart() throws Exception {
        assertThat(sentence("--sluice.offload.host-memory=1000TB"))
                .contains("sluice.offload.host-memory asks for 1099511627776000 bytes, but only");
    }

    @Test
    void aGpuThatIsNotThereEndsTheStartWhereverTheProfileIsNamed() throws Exception {
        assumeTrue(!Files.exists(Path.of("/dev/nvidiactl")), "there is a GPU");
        assertThat(sentence("--spring.profiles.active=cuda")).contains("sluice.executor.type is cuda, but the library");
    }

    private String sentence(String argument) throws IOException, InterruptedException {
        try (ServerProcess server = ServerProcess.ofJar(directory, argument)) {
            int exit = server.awaitExit(60);
            String output = server.log();
            assertThat(exit).as(output).isEqualTo(1);
            List<String> sentences = output.lines()
                    .filter(line -> line.contains("Sluice cannot start: "))
                    .toList();
            assertThat(sentences).as(output).hasSize(1);
            assertThat(output).doesNotContain("\tat ");
            assertThat(output.stripTrailing()).endsWith(sentences.getFirst());
            return sentences.getFirst();
        }
    }
}
