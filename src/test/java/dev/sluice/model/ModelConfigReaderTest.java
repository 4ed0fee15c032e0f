package dev.sluice.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.testkit.ModelFixtures;
import dev.sluice.testkit.QuantizedCheckpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ModelConfigReaderTest {

    private static final String LLAMA = """
            {"model_type":"llama","num_hidden_layers":2,"hidden_size":64,"intermediate_size":128,
             "num_attention_heads":4,"max_position_embeddings":512,"vocab_size":320%s}""";

    @Test
    void llamaWithoutOptionalKeysGetsTheDefaultsOfTheFamily() {
        ModelSpec spec = llama("").spec();
        assertThat(spec)
                .isEqualTo(new ModelSpec(
                        "llama",
                        2,
                        64,
                        128,
                        4,
                        4,
                        16,
                        320,
                        512,
                        1e-6f,
                        new RopeSpec(10_000, null),
                        0,
                        false,
                        false,
                        false,
                        Quantization.NONE));
        assertThat(llama("").endTokenIds()).isEmpty();
    }

    @Test
    void llama3ScalingIsRead() {
        RopeSpec rope = tiny("llama-rope-llama3").rope();
        assertThat(rope).isEqualTo(new RopeSpec(500_000, new RopeSpec.Llama3Scaling(8, 1, 4, 64)));
    }

    @Test
    void newerSpellingOfTheRotaryEmbeddingMeansTheSame() {
        String parameters = "\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
                + "\"original_max_position_embeddings\":64";
        RopeSpec scaled = llama(
                        ",\"rope_parameters\":{\"rope_theta\":500000,\"rope_type\":\"llama3\"," + parameters + "}")
                .spec()
                .rope();
        assertThat(scaled).isEqualTo(tiny("llama-rope-llama3").rope());
        assertThat(llama(",\"rope_theta\":1e6,\"rope_scaling\":{\"type\":\"llama3\"," + parameters + "}")
                        .spec()
                        .rope()
                        .llama3())
                .isEqualTo(scaled.llama3());
        assertThat(llama(",\"rope_parameters\":{\"rope_theta\":7e5,\"rope_type\":\"default\"}")
                        .spec()
                        .rope())
                .isEqualTo(new RopeSpec(700_000, null));
    }

    @Test
    void mistralHasItsWindowAndDividesTheHiddenSizeIfTheHeadSizeIsNull() {
        ModelSpec spec = tiny("mistral-sliding-window");
        assertThat(spec.slidingWindow()).isEqualTo(32);
        assertThat(spec.headDim()).isEqualTo(16);
        assertThat(spec.groupSize()).isEqualTo(2);
    }

    @Test
    void qwen2HasBiasesAndIgnoresAWindowThatIsSwitchedOff() {
        ModelSpec spec = tiny("qwen2");
        assertThat(spec.qkvBias()).isTrue();
        assertThat(spec.qkNorm()).isFalse();
        assertThat(spec.slidingWindow()).isZero();
        assertThat(spec.tiedEmbeddings()).isTrue();
    }

    @Test
    void qwen3HasNormsAndAHeadSizeOfItsOwn() {
        ModelSpec spec = tiny("qwen3");
        assertThat(spec.qkNorm()).isTrue();
        assertThat(spec.qkvBias()).isFalse();
        assertThat(spec.headDim()).isEqualTo(32);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"use_sliding_window\":true,\"sliding_window\":32,\"max_window_layers\":0 | 32",
                "\"use_sliding_window\":true,\"sliding_window\":32,\"max_window_layers\":2 | 0",
                "\"use_sliding_window\":true,\"sliding_window\":512,\"max_window_layers\":0 | 0",
                "\"use_sliding_window\":true,\"sliding_window\":null,\"max_window_layers\":0 | 0",
                "\"use_sliding_window\":true,\"sliding_window\":32,\"layer_types\":[\"sliding_attention\",\"sliding_attention\"] | 32",
                "\"use_sliding_window\":true,\"sliding_window\":32,\"layer_types\":[\"full_attention\",\"full_attention\"] | 0",
                "\"sliding_window\":32,\"max_window_layers\":0 | 0",
            })
    void windowOfQwenFollowsItsSwitches(String keys, int window) {
        assertThat(read(LLAMA.formatted("," + keys).replace("\"llama\"", "\"qwen2\""))
                        .spec()
                        .slidingWindow())
                .isEqualTo(window);
    }

    @Test
    void biasesOfQwen2AreTheSameWhetherNamedOrNot() {
        String qwen2 = LLAMA.replace("\"llama\"", "\"qwen2\"");
        assertThat(read(qwen2.formatted(",\"attention_bias\":true"))).isEqualTo(read(qwen2.formatted("")));
    }

    @Test
    void endTokensMayBeOneOrMany() {
        assertThat(llama(",\"eos_token_id\":2").endTokenIds()).containsExactly(2);
        assertThat(llama(",\"eos_token_id\":[5,2]").endTokenIds()).containsExactly(5, 2);
        assertThat(llama(",\"eos_token_id\":null").endTokenIds()).isEmpty();
    }

    @Test
    void codeNamedByTheConfigurationIsIgnored() {
        assertThat(llama(",\"auto_map\":{\"AutoModelForCausalLM\":\"modeling_x.X\"}")
                        .spec())
                .isEqualTo(llama("").spec());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "num_hidden_layers | 1000000000 | must be an integer from 1 to 1024",
                "num_hidden_layers | 0 | must be an integer",
                "num_hidden_layers | -1 | must be an integer",
                "num_hidden_layers | 2.0 | must be an integer",
                "num_hidden_layers | \"2\" | must be an integer",
                "num_hidden_layers | 9223372036854775808 | must be an integer",
                "num_hidden_layers | null | is missing",
                "hidden_size | 65 | cannot share evenly",
                "hidden_size | 12 | needs an even number",
                "hidden_size | 1000000000 | must be an integer",
                "num_attention_heads | 0 | must be an integer",
                "vocab_size | 0 | must be an integer",
                "vocab_size | 2147483647 | must be an integer",
                "max_position_embeddings | 0 | must be an integer",
                "intermediate_size | {} | must be an integer",
                "model_type | \"mamba\" | is \"mamba\", but only llama, mistral, qwen2 and qwen3 are served",
                "model_type | null | is missing",
            })
    void valueOutOfItsRangeIsRefusedByName(String key, String value, String rule) {
        String config =
                LLAMA.formatted("").replaceFirst("\"" + key + "\":(\"[^\"]*\"|[0-9]+)", "\"" + key + "\":" + value);
        assertRefused(config, key.equals("hidden_size") && value.equals("12") ? "head_dim" : key, rule);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "head_dim | 0 | must be an integer from 1",
                "head_dim | 7 | even number",
                "num_key_value_heads | 3 | does not divide the 4 heads",
                "num_key_value_heads | 0 | must be an integer",
                "num_key_value_heads | 8 | must be an integer from 1 to 4",
                "rope_theta | NaN | is NaN, but must be a number",
                "rope_theta | Infinity | must be a number",
                "rope_theta | 0 | must be a number",
                "rope_theta | \"1\" | must be a number",
                "rms_norm_eps | 0 | must be a number",
                "rms_norm_eps | -Infinity | must be a number",
                "eos_token_id | 320 | must be an integer from 0 to 319",
                "eos_token_id | [1,-1] | must be an integer",
                "hidden_act | \"gelu\" | only silu is served",
                "attention_bias | true | cannot be served",
                "mlp_bias | true | cannot be served",
                "tie_word_embeddings | 1 | must be true or false",
                "no_rope_layers | [1,0] | without rotary embedding",
                "architectures | [\"LlamaForSequenceClassification\"] | does not generate text",
                "partial_rotary_factor | 0.5 | only whole heads",
                "layer_types | [\"full_attention\",\"sliding_attention\"] | differ between layers",
                "layer_types | [\"chunked_attention\"] | cannot be served",
                "rope_scaling | 3 | must be an object",
            })
    void optionalValueOutOfItsRangeIsRefusedByName(String key, String value, String rule) {
        assertRefused(LLAMA.formatted(",\"" + key + "\":" + value), key, rule);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"rope_type\":\"yarn\",\"factor\":4} | rope_scaling.rope_type is \"yarn\"",
                "{\"type\":\"linear\",\"factor\":4} | rope_scaling.type is \"linear\"",
                "{\"factor\":4} | rope_scaling.rope_type is missing",
                "{\"rope_type\":\"llama3\",\"factor\":4} | rope_scaling.low_freq_factor is missing",
                "{\"rope_type\":\"llama3\",\"factor\":4,\"low_freq_factor\":4,\"high_freq_factor\":4} | rope_scaling.high_freq_factor",
                "{\"rope_type\":\"llama3\",\"factor\":NaN,\"low_freq_factor\":1,\"high_freq_factor\":4} | rope_scaling.factor",
            })
    void scalingThatIsNotServedIsRefusedByName(String scaling, String reason) {
        assertThatThrownBy(() -> llama(",\"rope_scaling\":" + scaling))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("config.json: " + reason);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"compressed-tensors\" | \"gptq\" | quant_method",
                "\"int-quantized\" | \"pack-quantized\" | format",
                "\"num_bits\": 8 | \"num_bits\": 4 | weights.num_bits",
                "\"symmetric\": true | \"symmetric\": false | weights.symmetric",
                "\"channel\" | \"group\" | weights.strategy",
                "\"group_size\": null | \"group_size\": 32 | weights.group_size",
                "\"actorder\": null | \"actorder\": \"group\" | weights.actorder",
                "\"input_activations\": null | \"input_activations\": {\"num_bits\": 8} | input_activations",
                "\"input_activations\": null | \"input_activations\": true | input_activations",
                "\"int-quantized\" | \"float-quantized\" | weights.type",
                "\"output_activations\": null | \"output_activations\": {\"num_bits\": 8} | output_activations",
                "\"Linear\" | \"re:.*(a+)+$\" | targets",
                "\"kv_cache_scheme\": null | \"kv_cache_scheme\": {\"num_bits\": 8} | kv_cache_scheme",
                "\"config_groups\": { | \"config_groups\": {\"group_1\": {}, | config_groups",
            })
    void quantizationThatIsNotServedIsRefusedByName(String text, String by, String key) throws IOException {
        String config = Files.readString(Path.of("src/main/resources/models/minimind2-small/config.json"));
        assertThat(read(config).spec().quantization()).isEqualTo(Quantization.INT8);
        assertThat(config).contains(text);
        assertThatThrownBy(() -> read(config.replace(text, by)))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("config.json: quantization_config.")
                .hasMessageContaining(key);
    }

    @ParameterizedTest
    @CsvSource({"I8, true, INT8_DYNAMIC", "I8, false, INT8", "F8_E4M3, true, FP8_DYNAMIC", "F8_E4M3, false, FP8"})
    void quantizationsAreToldApart(DataType type, boolean dynamic, Quantization expected) {
        ModelSpec spec = quantized(QuantizedCheckpoint.config(type, dynamic)).spec();
        assertThat(spec.quantization()).isEqualTo(expected);
        assertThat(spec.quantization().weights()).isEqualTo(type);
        assertThat(spec.quantization().hasDynamicInputs()).isEqualTo(dynamic);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"dynamic\": true | \"dynamic\": false | input_activations.dynamic is false, but only true is served",
                "\"dynamic\": true | \"dynamic\": \"local\" | input_activations.dynamic is \"\\\"local\\\"\"",
                "\"dynamic\": false | \"dynamic\": true | weights.dynamic is true, but a scale computed while running",
                "\"token\" | \"tensor\" | input_activations.strategy is \"\\\"tensor\\\"\", but only token is served",
                "\"channel\" | \"tensor\" | weights.strategy",
                "\"channel\" | \"block\" | weights.strategy",
                "\"float\" | \"int\" | weights.type",
                "\"symmetric\": true | \"symmetric\": false | weights.symmetric",
                "\"group_size\": null | \"group_size\": 128 | weights.group_size",
                "float-quantized | naive-quantized | format is \"naive-quantized\", but only int-quantized and float-quantized",
            })
    void inputsThatAreNotServedAreRefusedByName(String text, String by, String reason) {
        String config = QuantizedCheckpoint.config(DataType.F8_E4M3, true);
        assertThat(config).contains(text);
        assertThatThrownBy(() -> quantized(config.replaceFirst(text, by)))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith("config.json: quantization_config.")
                .hasMessageContaining(reason);
    }

    /** Weights and inputs agree. */
    @ParameterizedTest
    @ValueSource(strings = {"\"type\": \"int\"", "\"num_bits\": 4", "\"symmetric\": false", "\"group_size\": 32"})
    void inputsOfAnotherKindThanTheWeightsAreRefused(String other) {
        String config = QuantizedCheckpoint.config(DataType.F8_E4M3, true);
        String key = other.substring(0, other.indexOf(':'));
        int inputs = config.indexOf("input_activations");
        String changed = config.substring(inputs).replaceFirst(key + ": [^,]*", other);
        assertThatThrownBy(() -> quantized(config.substring(0, inputs) + changed))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("input_activations." + key.replace("\"", "") + " is ");
    }

    private static ModelConfig quantized(String section) {
        return llama("," + section.strip().replaceFirst(",$", ""));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "[]", "1", "{", "{}}", "{\"a\":1,\"a\":1}", "nul"})
    void fileThatIsNotOneObjectIsRefused(String json) {
        assertThatThrownBy(() -> read(json))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith("config.json");
    }

    @Test
    void deepNestingIsRefusedWithoutDeepRecursion() {
        assertThatThrownBy(() -> llama(",\"x\":" + "[".repeat(100_000)))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith("config.json exceeds a bound of the JSON reader: depth 32");
    }

    private static ModelConfig llama(String more) {
        return read(LLAMA.formatted(more));
    }

    private static ModelSpec tiny(String name) {
        try {
            return ModelConfigReader.read(
                            Files.readAllBytes(ModelFixtures.tiny(name).resolve("config.json")))
                    .spec();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static ModelConfig read(String json) {
        return ModelConfigReader.read(json.getBytes(StandardCharsets.UTF_8));
    }

    private static void assertRefused(String config, String key, String rule) {
        assertThatThrownBy(() -> read(config))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith("config.json: " + key + " ")
                .hasMessageContaining(rule);
    }
}
