package dev.sluice.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import dev.sluice.testkit.ModelFixtures;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class SafetensorsPropertyTest {

    private static final int SEEDS = 20_000;

    private static final String[] PIECES = {
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "-",
        "0",
        "9",
        "1e9",
        "9223372036854775807",
        "4294967296",
        "null",
        "true",
        "\\u0000",
        "\"a\"",
        "\"dtype\"",
        "\"shape\"",
        "\"data_offsets\"",
        "\"F32\"",
        "\"__metadata__\"",
        "NaN",
        " "
    };

    @Test
    void anyBytesEndInTensorsInsideTheFileOrInTheOneException() {
        int accepted = 0;
        for (int seed = 0; seed < SEEDS; seed++) {
            byte[] file = mutated(new Random(seed));
            try {
                SafetensorsFile read = SafetensorsFile.of("x", MemorySegment.ofArray(file));
                long bytes = 0;
                for (Tensor tensor : read.tensors().values()) {
                    bytes += tensor.data().byteSize();
                    assertThat(tensor.elementCount() * tensor.type().bytes())
                            .as("seed %d", seed)
                            .isEqualTo(tensor.data().byteSize());
                }
                assertThat(bytes).as("seed %d", seed).isLessThanOrEqualTo(file.length);
                accepted++;
            } catch (ModelFormatException expected) {
                assertThat(expected.getMessage())
                        .as("seed %d", seed)
                        .startsWith("x")
                        .hasSizeLessThan(500);
            } catch (RuntimeException e) {
                fail("seed " + seed, e);
            }
        }
        assertThat(accepted).as("some mutations are harmless").isBetween(SEEDS / 100, SEEDS * 9 / 10);
    }

    private static byte[] mutated(Random random) {
        StringBuilder header = new StringBuilder("""
                {"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},\
                "b":{"dtype":"I8","shape":[8],"data_offsets":[24,32]}}""");
        for (int i = random.nextInt(3); i > 0; i--) {
            int at = random.nextInt(header.length());
            int end = Math.min(header.length(), at + random.nextInt(4));
            header.replace(at, end, PIECES[random.nextInt(PIECES.length)]);
        }
        byte[] json = header.toString().getBytes(StandardCharsets.UTF_8);
        long announced = random.nextInt(10) == 0 ? random.nextLong() >> random.nextInt(64) : json.length;
        byte[] file = ModelFixtures.safetensors(announced, json, new byte[32]);
        for (int i = random.nextInt(3); i > 0; i--) {
            file[random.nextInt(file.length)] = (byte) random.nextInt();
        }
        return random.nextInt(10) == 0 ? Arrays.copyOf(file, random.nextInt(file.length)) : file;
    }
}
