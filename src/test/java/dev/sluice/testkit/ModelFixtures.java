package dev.sluice.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** Small models on disk, whole ones and ones that a test is about to spoil. */
public final class ModelFixtures {

    /** The architectures of the golden tiny models. */
    public static final List<String> TINY =
            List.of("llama-rope-llama3", "llama-tied", "mistral-sliding-window", "qwen2", "qwen3", "smollm2-9-heads");

    private ModelFixtures() {}

    /** The directory of a golden tiny model; not to be written to. */
    public static Path tiny(String name) {
        return Path.of("src/test/resources/golden/tiny", name);
    }

    /** A copy of a golden tiny model that the test may spoil. */
    public static Path copyOfTiny(String name, Path parent) {
        Path copy = parent.resolve(name);
        try (Stream<Path> files = Files.list(tiny(name))) {
            Files.createDirectories(copy);
            for (Path file : files.toList()) {
                Files.copy(file, copy.resolve(file.getFileName()));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return copy;
    }

    /** Replaces text that must be there in a file. */
    public static void replace(Path file, String text, String by) {
        try {
            String content = Files.readString(file);
            if (!content.contains(text)) {
                throw new IllegalArgumentException(file + " does not contain " + text);
            }
            Files.writeString(file, content.replace(text, by));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The bytes of a safetensors file with that header, right or wrong. */
    public static byte[] safetensors(String header, int dataBytes) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        return safetensors(json.length, json, new byte[dataBytes]);
    }

    /** The same with a length field that may lie. */
    public static byte[] safetensors(long announced, byte[] header, byte[] data) {
        return ByteBuffer.allocate(Long.BYTES + header.length + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(announced)
                .put(header)
                .put(data)
                .array();
    }
}
