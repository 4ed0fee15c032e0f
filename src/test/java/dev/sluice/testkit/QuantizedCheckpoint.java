package dev.sluice.testkit;

import dev.sluice.model.DataType;
import dev.sluice.model.Float8;
import dev.sluice.testkit.ModelFixturesWeights.Stored;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import java.util.function.Predicate;

/** Turns a tiny model on disk, of bf16, into what compressed-tensors makes of it: linear layers of 8 bits with scales. */
public final class QuantizedCheckpoint {

    private static final String NUMBERS = """
            {"num_bits": 8, "type": "%s", "symmetric": true, "strategy": "%s", "dynamic": %b, "group_size": null,
             "actorder": null, "block_structure": null}""";

    private QuantizedCheckpoint() {}

    /**
     * Quantizes linear layers where they lie.
     *
     * @param type I8 or F8_E4M3
     * @param dynamicInputs as the configuration says
     * @param chosen which layers, the head aside
     */
    public static void write(Path directory, DataType type, boolean dynamicInputs, Predicate<String> chosen) {
        SequencedMap<String, Stored> tensors = new LinkedHashMap<>();
        ModelFixturesWeights.load(directory).forEach((name, stored) -> {
            if (name.endsWith("_proj.weight") && chosen.test(name)) {
                quantize(name, stored, type, tensors);
            } else {
                tensors.put(name, stored);
            }
        });
        ModelFixturesWeights.save(directory, tensors);
        ModelFixtures.replace(
                directory.resolve("config.json"), "\"rms_norm_eps\"", config(type, dynamicInputs) + "\"rms_norm_eps\"");
    }

    /** The key and its object, with a comma behind. */
    public static String config(DataType type, boolean dynamicInputs) {
        String kind = type == DataType.I8 ? "int" : "float";
        String inputs = dynamicInputs ? NUMBERS.formatted(kind, "token", true) : "null";
        return """
                "quantization_config": {"quant_method": "compressed-tensors", "format": "%s-quantized",
                 "kv_cache_scheme": null, "quantization_status": "compressed", "ignore": ["lm_head"],
                 "config_groups": {"group_0": {"targets": ["Linear"], "output_activations": null,
                 "weights": %s, "input_activations": %s}}},
                """.formatted(kind, NUMBERS.formatted(kind, "channel", false), inputs);
    }

    private static void quantize(String name, Stored stored, DataType type, SequencedMap<String, Stored> tensors) {
        int rows = (int) stored.shape()[0];
        int columns = (int) stored.shape()[1];
        ByteBuffer numbers = ByteBuffer.wrap(stored.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer scales = ByteBuffer.allocate(Float.BYTES * rows).order(ByteOrder.LITTLE_ENDIAN);
        byte[] elements = new byte[rows * columns];
        for (int row = 0; row < rows; row++) {
            float most = 0;
            for (int i = 0; i < columns; i++) {
                most = Math.max(most, Math.abs(bf16(numbers, row * columns + i)));
            }
            float scale = most / (type == DataType.I8 ? 127 : 448);
            scales.putFloat(scale);
            for (int i = 0; i < columns; i++) {
                float value = bf16(numbers, row * columns + i) / scale;
                elements[row * columns + i] = type == DataType.I8 ? (byte) Math.rint(value) : Float8.of(value);
            }
        }
        tensors.put(name, new Stored(type.name(), stored.shape(), elements));
        tensors.put(name + "_scale", new Stored("F32", new long[] {rows, 1}, scales.array()));
    }

    /** Writes the numbers that quantized layers stand for in 32 bits, so that nothing of their quantization is left. */
    public static void multiplyOut(Path directory, DataType type, boolean dynamicInputs) {
        SequencedMap<String, Stored> quantized = ModelFixturesWeights.load(directory);
        SequencedMap<String, Stored> tensors = new LinkedHashMap<>();
        quantized.forEach((name, stored) -> {
            Stored scale = quantized.get(name + "_scale");
            if (scale != null) {
                tensors.put(name, product(stored, scale));
            } else if (!name.endsWith("_scale")) {
                tensors.put(name, stored);
            }
        });
        ModelFixturesWeights.save(directory, tensors);
        ModelFixtures.replace(directory.resolve("config.json"), config(type, dynamicInputs), "");
    }

    private static Stored product(Stored stored, Stored scale) {
        ByteBuffer scales = ByteBuffer.wrap(scale.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer out =
                ByteBuffer.allocate(Float.BYTES * stored.bytes().length).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < stored.bytes().length; i++) {
            byte element = stored.bytes()[i];
            float value = stored.type().equals("I8") ? element : Float8.toFloat(element);
            out.putFloat(value * scales.getFloat(Float.BYTES * (int) (i / stored.shape()[1])));
        }
        return new Stored("F32", stored.shape(), out.array());
    }

    private static float bf16(ByteBuffer numbers, int index) {
        return Float.intBitsToFloat(numbers.getShort(Short.BYTES * index) << 16);
    }
}
