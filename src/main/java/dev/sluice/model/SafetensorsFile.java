package dev.sluice.model;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;

/**
 * A file in the safetensors format (Hugging Face): 8 bytes of header length, a JSON header, then the tensors' bytes.
 *
 * <pre>
 *   [ n: u64 ][ {"name": {"dtype", "shape", "data_offsets": [begin, end)}, ...} : n bytes ][ data ]
 * </pre>
 *
 * <p>Every size in the header is checked against the file before it is used, in exact arithmetic: tensors must tile the
 * data without gap or overlap, and each range must be as long as its shape and type say.
 */
public final class SafetensorsFile {

    private static final long HEADER_LENGTH_BYTES = 8;
    private static final long HEADER_BYTES_MAX = 100_000_000; // the format's own cap
    private static final int RANK_MAX = 8;
    private static final ValueLayout.OfLong LENGTH = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final String name;
    private final Map<String, Tensor> tensors;

    private SafetensorsFile(String name, Map<String, Tensor> tensors) {
        this.name = name;
        this.tensors = tensors;
    }

    /**
     * Maps a file into memory.
     *
     * @param arena decides how long the tensors' memory stays valid
     * @throws ModelFormatException if the file cannot be read or is not what it says
     */
    public static SafetensorsFile map(Path file, Arena arena) {
        String name = String.valueOf(file.getFileName());
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            return parse(name, channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena));
        } catch (IOException e) {
            throw new ModelFormatException(name + " cannot be read", e);
        }
    }

    /**
     * Reads the header of a file that lies in memory.
     *
     * @throws ModelFormatException if the bytes are not what they say
     */
    public static SafetensorsFile parse(String name, MemorySegment file) {
        long size = file.byteSize();
        if (size < HEADER_LENGTH_BYTES) {
            throw new ModelFormatException(name + " has " + size + " bytes, too few for a safetensors file");
        }
        long headerLength = file.get(LENGTH, 0);
        if (headerLength < 2 || headerLength > HEADER_BYTES_MAX || headerLength > size - HEADER_LENGTH_BYTES) {
            throw new ModelFormatException(name + " claims a header of " + Long.toUnsignedString(headerLength)
                    + " bytes; the file has " + size + ", the limit is " + HEADER_BYTES_MAX);
        }
        byte[] header = file.asSlice(HEADER_LENGTH_BYTES, headerLength).toArray(ValueLayout.JAVA_BYTE);
        MemorySegment data = file.asSlice(HEADER_LENGTH_BYTES + headerLength);
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        List<long[]> ranges = new ArrayList<>();
        for (Map.Entry<String, JsonNode> entry :
                Json.object(header, "the header of " + name).properties()) {
            if (!entry.getKey().equals("__metadata__")) {
                tensors.put(entry.getKey(), tensor(name, entry.getKey(), entry.getValue(), data, ranges));
            }
        }
        checkTiling(name, ranges, data.byteSize());
        return new SafetensorsFile(name, Collections.unmodifiableMap(tensors));
    }

    /** File name, for messages. */
    public String name() {
        return name;
    }

    /** All tensors by name, in the order of the header. */
    public Map<String, Tensor> tensors() {
        return tensors;
    }

    private static Tensor tensor(
            String file, String tensorName, JsonNode node, MemorySegment data, List<long[]> ranges) {
        String what = "tensor " + tensorName + " of " + file;
        DataType type = type(what, node.path("dtype"));
        long[] shape = longs(what, "shape", node.path("shape"), RANK_MAX);
        long bytes = type.bytes();
        for (long dimension : shape) {
            if (dimension <= 0) {
                throw new ModelFormatException(what + " has dimension " + dimension);
            }
            bytes = multiply(what, bytes, dimension);
        }
        long[] offsets = longs(what, "data_offsets", node.path("data_offsets"), 2);
        if (offsets.length != 2 || offsets[0] < 0 || offsets[1] < offsets[0] || offsets[1] > data.byteSize()) {
            throw new ModelFormatException(what + " lies outside of the file's " + data.byteSize() + " data bytes");
        }
        if (offsets[1] - offsets[0] != bytes) {
            throw new ModelFormatException(
                    what + " occupies " + (offsets[1] - offsets[0]) + " bytes, its shape and type need " + bytes);
        }
        ranges.add(offsets);
        return new Tensor(
                tensorName, type, shape, data.asSlice(offsets[0], bytes).asReadOnly());
    }

    private static long multiply(String what, long a, long b) {
        try {
            return Math.multiplyExact(a, b);
        } catch (ArithmeticException e) {
            throw new ModelFormatException(what + " has a shape whose size overflows", e);
        }
    }

    private static DataType type(String what, JsonNode node) {
        String name = node.isString() ? node.stringValue() : "";
        for (DataType type : DataType.values()) {
            if (type.name().equals(name)) {
                return type;
            }
        }
        throw new ModelFormatException(
                what + " has type '" + shortened(name) + "'; F32, F16, BF16 and I8 are supported");
    }

    private static long[] longs(String what, String field, JsonNode node, int lengthMax) {
        if (!node.isArray() || node.size() > lengthMax) {
            throw new ModelFormatException(what + " has no " + field + " of at most " + lengthMax + " numbers");
        }
        long[] values = new long[node.size()];
        for (int i = 0; i < values.length; i++) {
            JsonNode value = node.get(i);
            if (!value.isIntegralNumber() || !value.canConvertToLong()) {
                throw new ModelFormatException(what + " has a " + field + " that is not a list of integers");
            }
            values[i] = value.longValue();
        }
        return values;
    }

    private static void checkTiling(String name, List<long[]> ranges, long dataBytes) {
        ranges.sort(Comparator.comparingLong(range -> range[0]));
        long end = 0;
        for (long[] range : ranges) {
            if (range[0] != end) {
                throw new ModelFormatException(
                        name + " has tensors that overlap or leave a gap at data byte " + Math.min(end, range[0]));
            }
            end = range[1];
        }
        if (end != dataBytes) {
            throw new ModelFormatException(name + " has " + dataBytes + " data bytes, its tensors cover " + end);
        }
    }

    private static String shortened(String text) {
        return text.length() <= 64 ? text : text.substring(0, 64) + "...";
    }
}
