package dev.sluice.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.testkit.ModelFixtures;
import dev.sluice.testkit.ModelFixturesWeights;
import dev.sluice.testkit.ModelFixturesWeights.Stored;
import dev.sluice.testkit.QuantizedCheckpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Objects;
import java.util.SequencedMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WeightFilesTest {

    private static final String NORM = "model.norm.weight";
    private static final String LINEAR = "model.layers.1.mlp.up_proj.weight";

    @TempDir
    private Path temp;

    private Path directory;
    private SequencedMap<String, Stored> tensors;

    @BeforeEach
    void copyAModel() {
        directory = ModelFixtures.copyOfTiny("qwen3", temp);
        tensors = ModelFixturesWeights.load(directory);
    }

    @Test
    void missingTensorIsNamed() {
        tensors.remove(NORM);
        assertRefused("Tensor \"model.norm.weight\" is missing.");
    }

    @Test
    void surplusTensorIsNamed() {
        tensors.put("model.layers.2.extra", Stored.zeros("F32", 4));
        assertRefused("Tensor \"model.layers.2.extra\" does not belong to the model");
    }

    @Test
    void surplusTensorOfAnUnservedTypeIsNamed() {
        tensors.put("mask", Stored.zeros("U8", 1));
        assertRefused("Tensor \"mask\" does not belong to the model");
    }

    @Test
    void commonHarmlessSurplusIsIgnored() {
        tensors.put("model.layers.0.self_attn.rotary_emb.inv_freq", Stored.zeros("F32", 4));
        tensors.put("lm_head.weight", Stored.zeros("BF16", 2, 384, 64));
        ModelFixturesWeights.save(directory, tensors);
        try (Model model = ModelDirectory.open(directory, false)) {
            assertThat(model.weights().names()).contains(NORM).noneMatch(name -> name.endsWith("inv_freq"));
        }
    }

    @Test
    void unexpectedTypeIsNamed() {
        tensors.put(NORM, Stored.zeros("F64", 8, 64));
        assertRefused("Tensor \"model.norm.weight\" is of type F64, but must be F32, F16 or BF16.");
    }

    @Test
    void int8InAModelThatIsNotQuantizedIsNamed() {
        tensors.put(LINEAR, Stored.zeros("I8", 1, 128, 64));
        assertRefused("is of type I8, but must be F32, F16 or BF16.");
    }

    @Test
    void unexpectedShapeIsNamed() {
        tensors.put(LINEAR, Stored.zeros("BF16", 2, 64, 128));
        assertRefused("\"" + LINEAR + "\" has the shape [64, 128], but must have [128, 64].");
    }

    @Test
    void quantizedLinearNeedsAScalePerRow() throws IOException {
        addQuantization();
        tensors.put(LINEAR, Stored.zeros("I8", 1, 128, 64));
        assertRefused("Tensor \"" + LINEAR + "_scale\" is missing.");
        tensors.put(LINEAR + "_scale", Stored.zeros("F32", 4, 1));
        assertRefused("\"" + LINEAR + "_scale\" has the shape [1], but must have [128, 1].");
        tensors.put(LINEAR + "_scale", Stored.zeros("I8", 1, 128, 1));
        assertRefused("\"" + LINEAR + "_scale\" is of type I8");
        tensors.put(LINEAR + "_scale", Stored.zeros("BF16", 2, 128, 1));
        ModelFixturesWeights.save(directory, tensors);
        ModelDirectory.open(directory, false).close();
        tensors.put(NORM, Stored.zeros("I8", 1, 64));
        assertRefused("Tensor \"model.norm.weight\" is of type I8");
    }

    @Test
    void fp8NeedsAModelThatIsQuantizedToIt() throws IOException {
        tensors.put(LINEAR, Stored.zeros("F8_E4M3", 1, 128, 64));
        tensors.put(LINEAR + "_scale", Stored.zeros("F32", 4, 128, 1));
        assertRefused("is of type F8_E4M3, but must be F32, F16 or BF16.");
        addQuantization(); // to int8
        assertRefused("is of type F8_E4M3, but must be F32, F16 or BF16, or I8 if it is the weight of a linear layer.");
    }

    @ParameterizedTest
    @ValueSource(strings = {"I8", "F8_E4M3"})
    void quantizedCheckpointHasItsTypeAndItsScales(DataType type) {
        QuantizedCheckpoint.write(directory, type, true, name -> !name.contains("o_proj"));
        try (Model model = ModelDirectory.open(directory, false)) {
            assertThat(Objects.requireNonNull(model.weights().find(LINEAR)).type())
                    .isEqualTo(type);
            assertThat(model.weights().names())
                    .contains(LINEAR + "_scale")
                    .noneMatch(name -> name.endsWith("o_proj.weight_scale"));
        }
        tensors = ModelFixturesWeights.load(directory);
        tensors.put(LINEAR + "_scale", Stored.zeros(type.name(), 1, 128, 1));
        assertRefused("\"" + LINEAR + "_scale\" is of type " + type);
        tensors.remove(LINEAR + "_scale");
        assertRefused("\"" + LINEAR + "_scale\" is missing.");
    }

    @Test
    void scaleOfALayerThatIsNotQuantizedIsSurplus() throws IOException {
        addQuantization();
        tensors.put(LINEAR + "_scale", Stored.zeros("F32", 4, 128, 1));
        assertRefused("\"" + LINEAR + "_scale\" does not belong to the model");
    }

    @Test
    void shardsTogetherAreTheModel() {
        ModelFixturesWeights.saveInShards(directory, tensors, 3);
        try (Model whole = ModelDirectory.open(ModelFixtures.tiny("qwen3"), false);
                Model sharded = ModelDirectory.open(directory, false)) {
            assertThat(sharded.weights().names())
                    .containsExactlyInAnyOrderElementsOf(whole.weights().names());
            for (String name : whole.weights().names()) {
                Tensor expected = Objects.requireNonNull(whole.weights().find(name));
                Tensor actual = Objects.requireNonNull(sharded.weights().find(name));
                assertThat(actual.data().mismatch(expected.data())).as(name).isEqualTo(-1);
            }
        }
    }

    @Test
    void missingShardIsNamed() throws IOException {
        ModelFixturesWeights.saveInShards(directory, tensors, 3);
        Files.delete(directory.resolve("model-2.safetensors"));
        assertRefusedAsStored("model-2.safetensors named by the index is missing");
    }

    @Test
    void tensorInTwoShardsIsNamed() throws IOException {
        ModelFixturesWeights.saveInShards(directory, tensors, 2);
        Files.copy(directory.resolve("model-0.safetensors"), directory.resolve("model-9.safetensors"));
        ModelFixtures.replace(
                directory.resolve(ShardIndex.FILE), "\"" + NORM + "\":\"model-1", "\"" + NORM + "\":\"model-9");
        assertRefusedAsStored("is in two weights files");
    }

    @Test
    void tensorThatItsShardDoesNotHoldIsNamed() {
        ModelFixturesWeights.saveInShards(directory, tensors, 2);
        ModelFixtures.replace(directory.resolve(ShardIndex.FILE), "\"" + NORM + "\"", "\"model.other.weight\"");
        assertRefusedAsStored("Tensor \"model.other.weight\" is missing: the index places it in model-");
    }

    @Test
    void shardOfAnotherModelIsRefused() throws IOException {
        ModelFixturesWeights.saveInShards(directory, tensors, 1);
        Files.copy(
                ModelFixtures.tiny("qwen2").resolve("model.safetensors"),
                directory.resolve("model-0.safetensors"),
                StandardCopyOption.REPLACE_EXISTING);
        assertRefusedAsStored("Tensor ");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../../x.safetensors",
                "/etc/x.safetensors",
                "a/b.safetensors",
                "a\\\\b.safetensors",
                ".hidden.safetensors",
                "model.bin",
                "C:x.safetensors",
                "x\\u0000.safetensors",
                ""
            })
    void indexThatNamesMoreThanAFileIsRefused(String shard) throws IOException {
        Files.delete(directory.resolve("model.safetensors"));
        Files.writeString(directory.resolve(ShardIndex.FILE), "{\"weight_map\":{\"" + NORM + "\":\"" + shard + "\"}}");
        assertRefusedAsStored("which is not the plain name of a safetensors file");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"{}", "[]", "{\"weight_map\":{}}", "{\"weight_map\":[]}", "{\"weight_map\":{\"a\":1}}", "{"})
    void indexWithoutAMapIsRefused(String index) throws IOException {
        Files.delete(directory.resolve("model.safetensors"));
        Files.writeString(directory.resolve(ShardIndex.FILE), index);
        assertRefusedAsStored(ShardIndex.FILE);
    }

    private void addQuantization() throws IOException {
        String quantized = Files.readString(Path.of("src/main/resources/models/minimind2-small/config.json"));
        int begin = quantized.indexOf("\"quantization_config\"");
        int end = quantized.indexOf("\"rms_norm_eps\"");
        ModelFixtures.replace(
                directory.resolve("config.json"),
                "\"rms_norm_eps\"",
                quantized.substring(begin, end) + "\"rms_norm_eps\"");
    }

    private void assertRefused(String reason) {
        ModelFixturesWeights.save(directory, tensors);
        assertRefusedAsStored(reason);
    }

    private void assertRefusedAsStored(String reason) {
        assertThatThrownBy(() -> ModelDirectory.open(directory, false))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining(reason);
    }
}
