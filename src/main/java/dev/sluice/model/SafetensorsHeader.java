package dev.sluice.model;

import java.io.InputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/** The table of contents of a safetensors file: entries that tile its data exactly, in the order of their bytes. */
final class SafetensorsHeader {

    /**
     * One tensor as the file describes it, checked against its own byte range.
     *
     * @param type the file's name of the element type
     * @param begin offset of the first byte in the file's data, which starts behind the header
     */
    @SuppressWarnings("ArrayRecordComponent") // handed over to the tensor
    record Entry(String name, String type, long[] shape, long begin, long end) {}

    static final int TENSORS_MAX = 1_000_000;

    private static final int RANK_MAX = 8;

    /** Bytes of every element type of whole bytes that the format defines, whether served or not. */
    private static final Map<String, Integer> TYPE_BYTES = Map.ofEntries(
            Map.entry("F64", 8),
            Map.entry("F32", 4),
            Map.entry("F16", 2),
            Map.entry("BF16", 2),
            Map.entry("F8_E4M3", 1),
            Map.entry("F8_E5M2", 1),
            Map.entry("F8_E8M0", 1),
            Map.entry("I64", 8),
            Map.entry("I32", 4),
            Map.entry("I16", 2),
            Map.entry("I8", 1),
            Map.entry("U64", 8),
            Map.entry("U32", 4),
            Map.entry("U16", 2),
            Map.entry("U8", 1),
            Map.entry("BOOL", 1));

    private final String file;
    private final List<Entry> entries = new ArrayList<>();

    private SafetensorsHeader(String file) {
        this.file = file;
    }

    /** Reads a header; {@code dataBytes} is what the file holds behind it. */
    static List<Entry> parse(String file, InputStream header, long dataBytes) {
        SafetensorsHeader reading = new SafetensorsHeader(file);
        try (JsonParser json = StrictJson.parser(header)) {
            reading.readAll(json);
        } catch (JacksonException e) {
            throw StrictJson.error(file + ": the header", e);
        }
        reading.checkTiling(dataBytes);
        return reading.entries;
    }

    private void readAll(JsonParser json) {
        expect(json.nextToken() == JsonToken.START_OBJECT, "the header is not a JSON object");
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String name = json.currentName();
            json.nextToken();
            if (name.equals("__metadata__")) {
                skipMetadata(json);
            } else {
                expect(entries.size() < TENSORS_MAX, "the header lists more than " + TENSORS_MAX + " tensors");
                entries.add(readEntry(name, json));
            }
        }
        expect(json.nextToken() == null, "the header goes on behind its JSON object");
    }

    private void skipMetadata(JsonParser json) {
        expect(json.currentToken() == JsonToken.START_OBJECT, "__metadata__ is not an object");
        while (json.nextToken() != JsonToken.END_OBJECT) {
            expect(json.nextToken() == JsonToken.VALUE_STRING, "__metadata__ holds a value that is not a string");
        }
    }

    private Entry readEntry(String name, JsonParser json) {
        String tensor = "tensor " + Echo.of(name) + " ";
        expect(json.currentToken() == JsonToken.START_OBJECT, tensor + "is not described by an object");
        String type = null;
        long[] shape = null;
        long[] offsets = null;
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String key = json.currentName();
            json.nextToken();
            switch (key) {
                case "dtype" -> {
                    expect(json.currentToken() == JsonToken.VALUE_STRING, tensor + "has a dtype that is not a string");
                    type = json.getString();
                }
                case "shape" -> shape = readNumbers(json, RANK_MAX, tensor + "has a shape");
                case "data_offsets" -> offsets = readNumbers(json, 2, tensor + "has data_offsets");
                default -> throw fault(tensor + "has the unknown key " + Echo.of(key));
            }
        }
        if (type == null || shape == null || offsets == null || offsets.length != 2) {
            throw fault(tensor + "lacks dtype, shape or two data_offsets");
        }
        checkRange(tensor, type, shape, offsets);
        return new Entry(name, type, shape, offsets[0], offsets[1]);
    }

    private long[] readNumbers(JsonParser json, int countMax, String what) {
        expect(json.currentToken() == JsonToken.START_ARRAY, what + " that is not an array");
        long[] numbers = new long[countMax];
        int count = 0;
        while (json.nextToken() != JsonToken.END_ARRAY) {
            expect(json.currentToken() == JsonToken.VALUE_NUMBER_INT, what + " with an element that is not an integer");
            expect(count < countMax, what + " of more than " + countMax + " numbers");
            numbers[count++] = json.getLongValue(); // refuses what does not fit in 64 bits
        }
        return Arrays.copyOf(numbers, count);
    }

    private void checkRange(String tensor, String type, long[] shape, long[] offsets) {
        Integer typeBytes = TYPE_BYTES.get(type);
        if (typeBytes == null) {
            throw fault(tensor + "has the unknown type " + Echo.of(type));
        }
        expect(offsets[0] >= 0 && offsets[1] >= offsets[0], tensor + "has negative or reversed data_offsets");
        long bytes = typeBytes;
        for (long dimension : shape) {
            expect(dimension > 0, tensor + "has a dimension that is zero or negative");
            expect(bytes <= Long.MAX_VALUE / dimension, tensor + "has a shape whose size exceeds 64 bits");
            bytes *= dimension;
        }
        expect(
                bytes == offsets[1] - offsets[0],
                tensor + "needs " + bytes + " bytes by its shape and type, but its data_offsets hold "
                        + (offsets[1] - offsets[0]));
    }

    /** No byte of the data belongs to two tensors or to none. */
    private void checkTiling(long dataBytes) {
        entries.sort(Comparator.comparingLong(Entry::begin));
        long end = 0;
        for (Entry entry : entries) {
            String tensor = "tensor " + Echo.of(entry.name()) + " ";
            expect(entry.begin() >= end, tensor + "overlaps the tensor before it");
            expect(entry.begin() == end, tensor + "leaves a gap of unused bytes before it");
            expect(
                    entry.end() <= dataBytes,
                    tensor + "ends at byte " + entry.end() + " of the data, but the file holds " + dataBytes);
            end = entry.end();
        }
        expect(end == dataBytes, "the tensors end at byte " + end + " of the data, but the file holds " + dataBytes);
    }

    private void expect(boolean condition, String otherwise) {
        if (!condition) {
            throw fault(otherwise);
        }
    }

    private ModelFormatException fault(String what) {
        return new ModelFormatException(file + ": " + what + ".");
    }
}
