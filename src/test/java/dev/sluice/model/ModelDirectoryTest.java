package dev.sluice.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.testkit.ModelFixtures;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;

class ModelDirectoryTest {

    static final Iterable<String> TINY = ModelFixtures.TINY;

    @TempDir
    private Path temp;

    @ParameterizedTest
    @FieldSource("TINY")
    void everyTinyModelOpens(String name) {
        try (Model model = ModelDirectory.open(ModelFixtures.tiny(name), false)) {
            ModelSpec spec = model.spec();
            assertThat(model.name()).isEqualTo(name);
            assertThat(model.endTokenIds()).containsExactly(2);
            assertThat(model.weights()
                            .require("model.embed_tokens.weight", spec.vocabularySize(), spec.hiddenSize())
                            .data()
                            .isMapped())
                    .isTrue();
            assertThat(model.weights().find("lm_head.weight") == null).isEqualTo(spec.tiedEmbeddings());
        }
    }

    @Test
    void embeddedModelIsReadOnceIntoMemoryOutsideTheHeap() {
        try (Model model = ModelDirectory.embedded()) {
            assertThat(model.name()).isEqualTo("minimind2-small");
            assertThat(model.spec().layers()).isEqualTo(8);
            Tensor weight = model.weights().require("model.layers.7.mlp.down_proj.weight", 512, 1_408);
            assertThat(weight.type()).isEqualTo(DataType.I8);
            assertThat(weight.data().isNative()).isTrue();
            Tensor scale = model.weights().require("model.layers.7.mlp.down_proj.weight_scale", 512, 1);
            assertThat(scale.data().get(ValueLayout.JAVA_FLOAT_UNALIGNED, 0)).isBetween(1e-5f, 1f);
            assertThat(model.tokenizerFiles().tokenizer()).isNotNull();
            assertThat(model.tokenizerFiles().chatTemplate()).contains("<|im_start|>");
            assertThat(model.endTokenIds()).containsExactly(2);
        }
    }

    @Test
    void modelInsideACompressedJarOpensAsFromADirectory() throws IOException {
        Path jar = temp.resolve("model.jar");
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(jar))) {
            for (String file : new String[] {"config.json", "model.safetensors"}) {
                zip.putNextEntry(new ZipEntry("models/packed/" + file));
                zip.write(Files.readAllBytes(ModelFixtures.tiny("qwen3").resolve(file)));
            }
        }
        try (URLClassLoader classes = new URLClassLoader(new URL[] {jar.toUri().toURL()}, null);
                Model packed = ModelDirectory.open(new ClasspathSource(classes, "models/packed"));
                Model plain = ModelDirectory.open(ModelFixtures.tiny("qwen3"), false)) {
            assertThat(packed.name()).isEqualTo("packed");
            assertThat(packed.spec()).isEqualTo(plain.spec());
            Tensor expected = plain.weights().require("model.norm.weight", 64);
            Tensor actual = packed.weights().require("model.norm.weight", 64);
            assertThat(actual.data().mismatch(expected.data())).isEqualTo(-1);
        }
    }

    @Test
    void closedModelHasNoWeights() {
        Model model = ModelDirectory.open(ModelFixtures.tiny("qwen3"), false);
        Tensor tensor = model.weights().require("model.norm.weight", 64);
        model.close();
        assertThatThrownBy(() -> tensor.data().get(ValueLayout.JAVA_BYTE, 0)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void weightMapRefusesAnotherShapeByName() {
        try (Model model = ModelDirectory.open(ModelFixtures.tiny("qwen3"), false)) {
            assertThatThrownBy(() -> model.weights().require("model.norm.weight", 65))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessage("Tensor \"model.norm.weight\" has the shape [64], but must have [65].");
            assertThatThrownBy(() -> model.weights().require("nothing"))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessage("Tensor \"nothing\" is missing.");
        }
    }

    @Test
    void recommendationsAndAllEndTokensAreCollected() throws IOException {
        Path directory = ModelFixtures.copyOfTiny("qwen2", temp);
        Files.writeString(directory.resolve("generation_config.json"), """
                {"eos_token_id":[7,5],"temperature":0.7,"top_p":0.8,"top_k":20,"repetition_penalty":1.05,
                 "do_sample":true,"max_new_tokens":2048}""");
        try (Model model = ModelDirectory.open(directory, false)) {
            assertThat(model.endTokenIds()).containsExactly(2, 5, 7);
            assertThat(model.generationDefaults()).isEqualTo(new GenerationDefaults(0.7, 0.8, 20, null, 1.05, 2_048));
        }
    }

    @Test
    void recommendationOutOfRangeIsRefusedByName() throws IOException {
        Path directory = ModelFixtures.copyOfTiny("qwen2", temp);
        Files.writeString(directory.resolve("generation_config.json"), "{\"top_p\":2}");
        assertRefused(directory, "generation_config.json: top_p is 2");
    }

    @Test
    void chatTemplateOfItsOwnFileWins() throws IOException {
        Path directory = ModelFixtures.copyOfTiny("qwen2", temp);
        Path config = Files.writeString(directory.resolve("tokenizer_config.json"), "{\"chat_template\":\"one\"}");
        assertThat(template(directory)).isEqualTo("one");
        Files.writeString(
                config,
                "{\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"t\"},{\"name\":\"default\",\"template\":\"two\"}]}");
        assertThat(template(directory)).isEqualTo("two");
        Files.writeString(directory.resolve("chat_template.jinja"), "three \u00e9");
        assertThat(template(directory)).isEqualTo("three \u00e9");
        Files.write(directory.resolve("chat_template.jinja"), new byte[] {(byte) 0xff});
        assertRefused(directory, "chat_template.jinja is not valid UTF-8");
    }

    @Test
    void missingFilesAreNamed() throws IOException {
        assertRefused(temp.resolve("nowhere"), "is missing");
        assertRefused(Files.createDirectory(temp.resolve("empty")), "has no config.json");
        assertRefused(Files.createFile(temp.resolve("file")), "is not a directory");
        Path directory = ModelFixtures.copyOfTiny("qwen2", temp);
        Files.delete(directory.resolve("model.safetensors"));
        assertRefused(directory, "has no weights");
    }

    @Test
    void linkOutOfTheDirectoryNeedsPermission() throws IOException {
        Path directory = ModelFixtures.copyOfTiny("qwen2", temp);
        Path blob = temp.resolve("blob");
        Files.move(directory.resolve("model.safetensors"), blob);
        Files.createSymbolicLink(directory.resolve("model.safetensors"), Path.of("../blob"));
        assertRefused(directory, "model.safetensors is a symbolic link out of the model directory");
        try (Model model = ModelDirectory.open(directory, true)) {
            assertThat(model.weights().names()).isNotEmpty();
        }
        Files.delete(blob);
        assertThatThrownBy(() -> ModelDirectory.open(directory, true))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("link to nothing");
    }

    @Test
    void linkInsideTheDirectoryAndLinkToTheDirectoryAreFine() throws IOException {
        Path directory = ModelFixtures.copyOfTiny("qwen2", temp);
        Files.move(directory.resolve("model.safetensors"), directory.resolve("weights"));
        Files.createSymbolicLink(directory.resolve("model.safetensors"), Path.of("weights"));
        Path link = Files.createSymbolicLink(temp.resolve("link"), directory);
        try (Model model = ModelDirectory.open(link, false)) {
            assertThat(model.name()).isEqualTo("link");
        }
    }

    @Test
    void directoryInPlaceOfAFileIsRefused() throws IOException {
        Path directory = ModelFixtures.copyOfTiny("qwen2", temp);
        Files.delete(directory.resolve("config.json"));
        Files.createDirectory(directory.resolve("config.json"));
        assertRefused(directory, "config.json is not a regular file");
    }

    @Test
    void oversizedConfigurationIsRefused() throws IOException {
        Path directory = ModelFixtures.copyOfTiny("qwen2", temp);
        Files.write(directory.resolve("config.json"), " ".repeat(5 << 20).getBytes(StandardCharsets.UTF_8));
        assertRefused(directory, "config.json is larger than 4194304 bytes");
    }

    private static String template(Path directory) {
        try (Model model = ModelDirectory.open(directory, false)) {
            return String.valueOf(model.tokenizerFiles().chatTemplate());
        }
    }

    private static void assertRefused(Path directory, String reason) {
        assertThatThrownBy(() -> ModelDirectory.open(directory, false))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining(reason);
    }
}
