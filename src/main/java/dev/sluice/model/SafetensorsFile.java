package dev.sluice.model;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * The tensors of one safetensors file, as slices of memory that an arena owns.
 *
 * <pre>
 *   | 8 bytes: n, little-endian | n bytes: JSON header | data, tiled by the tensors |
 * </pre>
 */
final class SafetensorsFile {

    private static final long HEADER_BYTES_MAX = 100_000_000; // the limit of the format's own library
    private static final int LENGTH_BYTES = 8;
    private static final int COPY_BYTES = 1 << 18; // large enough to amortise a read, small enough for a small heap
    private static final long ALIGNMENT = 64; // one cache line, as a mapping would have

    private static final ValueLayout.OfLong LENGTH = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final String name;
    private final SequencedMap<String, Tensor> tensors;
    private final Map<String, String> unservedTypes;

    private SafetensorsFile(String name, SequencedMap<String, Tensor> tensors, Map<String, String> unservedTypes) {
        this.name = name;
        this.tensors = tensors;
        this.unservedTypes = unservedTypes;
    }

    /** Maps a file; pages are read when they are touched. */
    static SafetensorsFile map(String name, FileChannel channel, Arena arena) throws IOException {
        return of(name, channel.map(MapMode.READ_ONLY, 0, channel.size(), arena));
    }

    /** Copies a stream of known length into off-heap memory, without heap of that size. */
    static SafetensorsFile read(String name, InputStream stream, long size, Arena arena) throws IOException {
        MemorySegment memory = arena.allocate(size, ALIGNMENT);
        byte[] buffer = new byte[COPY_BYTES];
        long position = 0;
        for (int count = stream.read(buffer); count >= 0; count = stream.read(buffer)) {
            if (count > size - position) {
                throw new ModelFormatException(name + " is longer than announced.");
            }
            MemorySegment.copy(buffer, 0, memory, ValueLayout.JAVA_BYTE, position, count);
            position += count;
        }
        if (position != size) {
            throw new ModelFormatException(name + " is shorter than announced.");
        }
        return of(name, memory);
    }

    /** Reads the table of contents of a whole file in memory. */
    static SafetensorsFile of(String name, MemorySegment file) {
        long size = file.byteSize();
        if (size < LENGTH_BYTES) {
            throw new ModelFormatException(name + " is too short to be a safetensors file.");
        }
        long headerBytes = file.get(LENGTH, 0);
        if (headerBytes < 2 || headerBytes > HEADER_BYTES_MAX || headerBytes > size - LENGTH_BYTES) {
            throw new ModelFormatException(name + " announces a header of " + Long.toUnsignedString(headerBytes)
                    + " bytes; it must have 2 to " + HEADER_BYTES_MAX + " and fit into the file of " + size + ".");
        }
        if (file.get(ValueLayout.JAVA_BYTE, LENGTH_BYTES) != '{') {
            throw new ModelFormatException(name + ": the header is not a JSON object.");
        }
        ByteBuffer header = file.asSlice(LENGTH_BYTES, headerBytes).asByteBuffer();
        MemorySegment data = file.asSlice(LENGTH_BYTES + headerBytes).asReadOnly();
        return slice(name, SafetensorsHeader.parse(name, new BufferStream(header), data.byteSize()), data);
    }

    private static SafetensorsFile slice(String name, List<SafetensorsHeader.Entry> entries, MemorySegment data) {
        SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
        Map<String, String> unserved = new LinkedHashMap<>();
        for (SafetensorsHeader.Entry entry : entries) {
            DataType type = served(entry.type());
            if (type == null) {
                unserved.put(entry.name(), entry.type());
            } else {
                MemorySegment bytes = data.asSlice(entry.begin(), entry.end() - entry.begin());
                tensors.put(entry.name(), new Tensor(entry.name(), type, entry.shape(), bytes));
            }
        }
        return new SafetensorsFile(name, tensors, unserved);
    }

    private static @Nullable DataType served(String type) {
        return switch (type) {
            case "F32" -> DataType.F32;
            case "F16" -> DataType.F16;
            case "BF16" -> DataType.BF16;
            case "I8" -> DataType.I8;
            case "F8_E4M3" -> DataType.F8_E4M3;
            default -> null;
        };
    }

    String name() {
        return name;
    }

    /** Tensors of the types that can be served, in the order of their bytes. */
    SequencedMap<String, Tensor> tensors() {
        return tensors;
    }

    /** The other tensors: name to type. */
    Map<String, String> unservedTypes() {
        return unservedTypes;
    }

    boolean holds(String tensor) {
        return tensors.containsKey(tensor) || unservedTypes.containsKey(tensor);
    }

    /** A buffer as a stream, so that a header needs no copy on the heap. */
    private static final class BufferStream extends InputStream {

        private final ByteBuffer buffer;

        BufferStream(ByteBuffer buffer) {
            this.buffer = buffer;
        }

        @Override
        public int read() {
            return buffer.hasRemaining() ? buffer.get() & 0xff : -1;
        }

        @Override
        public int read(byte[] target, int offset, int length) {
            if (!buffer.hasRemaining()) {
                return -1;
            }
            int count = Math.min(length, buffer.remaining());
            buffer.get(target, offset, count);
            return count;
        }
    }
}
