package dev.sluice.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import dev.sluice.testkit.ModelFixtures;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class ModelFilesPropertyTest {

    private static final int SEEDS = 4_000;

    private static final Pattern VALUE = Pattern.compile(": *(\"[^\"]*\"|[-0-9.e]+|true|false|null)");

    private static final String[] VALUES = {
        "0",
        "-1",
        "1",
        "3",
        "2147483647",
        "2147483648",
        "1e400",
        "-0.0",
        "NaN",
        "-Infinity",
        "1e-320",
        "true",
        "false",
        "null",
        "\"\"",
        "\"llama3\"",
        "\"sliding_attention\"",
        "[]",
        "[[]]",
        "[null]",
        "[0,1]",
        "{}",
        "{\"a\":{}}",
        "\"\\u0000\"",
        "99999999999999999999999999999999"
    };

    @Test
    void anyConfigurationIsReadOrRefused() throws IOException {
        for (String name : ModelFixtures.TINY) {
            check(ModelFixtures.tiny(name).resolve("config.json"), ModelConfigReader::read);
        }
        check(Path.of("src/main/resources/models/minimind2-small/config.json"), ModelConfigReader::read);
    }

    @Test
    void anyRecommendationIsReadOrRefused() {
        check("""
                {"eos_token_id": [2, 3], "temperature": 0.7, "top_p": 0.8, "top_k": 20, "min_p": 0,
                 "repetition_penalty": 1.05, "max_new_tokens": 9}""", bytes -> GenerationConfig.read(bytes, 100));
    }

    @Test
    void anyIndexIsReadOrRefused() {
        check("""
                {"metadata": {"total_size": 9}, "weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}""", bytes -> assertThat(ShardIndex.read(bytes).shards()).allMatch(shard -> !shard.contains("/")));
    }

    private static void check(Path file, Consumer<byte[]> reader) throws IOException {
        check(Files.readString(file), reader);
    }

    private static void check(String content, Consumer<byte[]> reader) {
        for (int seed = 0; seed < SEEDS; seed++) {
            byte[] bytes = mutated(content, new Random(seed));
            try {
                reader.accept(bytes);
            } catch (ModelFormatException expected) {
                assertThat(expected.getMessage())
                        .as("seed %d", seed)
                        .hasSizeLessThan(600)
                        .doesNotContain("\n");
            } catch (RuntimeException e) {
                fail("seed " + seed + ": " + new String(bytes, StandardCharsets.UTF_8), e);
            }
        }
    }

    /** Replaces some values by unlucky ones, and sometimes a byte by any other. */
    private static byte[] mutated(String content, Random random) {
        int replaced = random.nextInt(3);
        Matcher values = VALUE.matcher(content);
        int count = (int) VALUE.matcher(content).results().count();
        int first = random.nextInt(count);
        int[] seen = {0};
        String mutated = values.replaceAll(match -> {
            boolean hit = seen[0] >= first && seen[0] < first + replaced;
            seen[0]++;
            String value = VALUES[random.nextInt(VALUES.length)];
            return Matcher.quoteReplacement(hit ? ": " + value : match.group());
        });
        byte[] bytes = mutated.getBytes(StandardCharsets.UTF_8);
        if (random.nextInt(3) == 0) {
            bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
        }
        return bytes;
    }
}
