package dev.sluice.testkit;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.ShortBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SequencedMap;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Takes weights files apart and puts them together again, for tests that change something in between. */
public final class ModelFixturesWeights {

    /** A tensor as it lies in a file. */
    @SuppressWarnings("ArrayRecordComponent")
    public record Stored(String type, long[] shape, byte[] bytes) {

        public static Stored zeros(String type, int elementBytes, long... shape) {
            long count = shape.length == 0 ? 1 : Arrays.stream(shape).reduce(1, Math::multiplyExact);
            return new Stored(type, shape, new byte[Math.toIntExact(count * elementBytes)]);
        }
    }

    private static final JsonMapper JSON = new JsonMapper();
    private static final int WIDE = 64;

    private ModelFixturesWeights() {}

    public static SequencedMap<String, Stored> load(Path directory) {
        ByteBuffer file =
                ByteBuffer.wrap(read(directory.resolve("model.safetensors"))).order(ByteOrder.LITTLE_ENDIAN);
        byte[] header = new byte[Math.toIntExact(file.getLong())];
        file.get(header);
        SequencedMap<String, Stored> tensors = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> entry : JSON.readTree(header).properties()) {
            if (!entry.getKey().equals("__metadata__")) {
                tensors.put(entry.getKey(), stored(entry.getValue(), file));
            }
        }
        return tensors;
    }

    private static Stored stored(JsonNode entry, ByteBuffer file) {
        int begin = entry.get("data_offsets").get(0).intValue();
        byte[] bytes = new byte[entry.get("data_offsets").get(1).intValue() - begin];
        file.get(file.position() + begin, bytes);
        JsonNode dimensions = entry.get("shape");
        long[] shape = new long[dimensions.size()];
        for (int i = 0; i < shape.length; i++) {
            shape[i] = dimensions.get(i).longValue();
        }
        return new Stored(entry.get("dtype").stringValue(), shape, bytes);
    }

    /** Gives a copy of a tiny model heads of 64 elements: random weights of attention in bf16. */
    public static void widenHeadsTo64(Path directory) {
        Path config = directory.resolve("config.json");
        ObjectNode root = (ObjectNode) JSON.readTree(read(config));
        int before = root.get("head_dim").intValue();
        write(config, JSON.writeValueAsBytes(root.put("head_dim", WIDE)));
        Random random = new Random(23);
        SequencedMap<String, Stored> tensors = load(directory);
        tensors.replaceAll((name, tensor) -> {
            int wide = name.endsWith("o_proj.weight") ? 1 : name.matches(".*[qkv]_proj.weight") ? 0 : -1;
            if (wide < 0) {
                return tensor;
            }
            long[] shape = tensor.shape().clone();
            shape[wide] = shape[wide] / before * WIDE;
            Stored wider = Stored.zeros("BF16", Short.BYTES, shape);
            ShortBuffer elements = ByteBuffer.wrap(wider.bytes())
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .asShortBuffer();
            while (elements.hasRemaining()) {
                elements.put((short) (Float.floatToIntBits((float) random.nextGaussian() / 4) >>> 16));
            }
            return wider;
        });
        save(directory, tensors);
    }

    public static void save(Path directory, SequencedMap<String, Stored> tensors) {
        write(directory.resolve("model.safetensors"), assemble(tensors));
    }

    /** Deals the tensors out to files {@code model-0.safetensors} and so on, with an index. */
    public static void saveInShards(Path directory, SequencedMap<String, Stored> tensors, int shards) {
        List<SequencedMap<String, Stored>> dealt = new ArrayList<>();
        for (int i = 0; i < shards; i++) {
            dealt.add(new LinkedHashMap<>());
        }
        Map<String, String> shardByTensor = new LinkedHashMap<>();
        int next = 0;
        for (Map.Entry<String, Stored> entry : tensors.entrySet()) {
            // The final norm is the last: it lies in the last shard whatever the number of tensors.
            int shard = entry.getKey().equals("model.norm.weight") ? shards - 1 : next++ % shards;
            dealt.get(shard).put(entry.getKey(), entry.getValue());
            shardByTensor.put(entry.getKey(), "model-" + shard + ".safetensors");
        }
        for (int i = 0; i < shards; i++) {
            write(directory.resolve("model-" + i + ".safetensors"), assemble(dealt.get(i)));
        }
        write(
                directory.resolve("model.safetensors.index.json"),
                JSON.writeValueAsBytes(Map.of("metadata", Map.of("total_size", 1), "weight_map", shardByTensor)));
        try {
            Files.delete(directory.resolve("model.safetensors"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static byte[] assemble(SequencedMap<String, Stored> tensors) {
        ByteArrayOutputStream data = new ByteArrayOutputStream();
        Map<String, Object> header = new LinkedHashMap<>();
        tensors.forEach((name, tensor) -> {
            int begin = data.size();
            data.writeBytes(tensor.bytes());
            header.put(
                    name,
                    Map.of(
                            "dtype",
                            tensor.type(),
                            "shape",
                            tensor.shape(),
                            "data_offsets",
                            List.of(begin, data.size())));
        });
        byte[] json = JSON.writeValueAsString(header).getBytes(StandardCharsets.UTF_8);
        return ModelFixtures.safetensors(json.length, json, data.toByteArray());
    }

    private static byte[] read(Path path) {
        try {
            return Files.readAllBytes(path);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void write(Path path, byte[] bytes) {
        try {
            Files.write(path, bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
