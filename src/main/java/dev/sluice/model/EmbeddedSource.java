package dev.sluice.model;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.URL;
import java.net.URLConnection;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
import org.jspecify.annotations.Nullable;

/** The model that travels in the jar. A nested jar cannot be mapped, so weights are copied once, outside of the heap. */
final class EmbeddedSource implements ModelSource {

    private static final String NAME = "minimind2-small";
    private static final String ROOT = "/models/" + NAME + "/";

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public byte @Nullable [] read(String fileName) {
        try (InputStream in = EmbeddedSource.class.getResourceAsStream(ROOT + fileName)) {
            return in == null ? null : in.readAllBytes();
        } catch (IOException e) {
            throw new ModelFormatException("the embedded " + fileName + " cannot be read", e);
        }
    }

    @Override
    public SafetensorsFile weights(String fileName, Arena arena) {
        URL url = EmbeddedSource.class.getResource(ROOT + fileName);
        if (url == null) {
            throw new ModelFormatException("the embedded weights file " + fileName + " is missing");
        }
        try {
            URLConnection connection = url.openConnection();
            long size = connection.getContentLengthLong();
            MemorySegment memory = arena.allocate(size, 64);
            try (ReadableByteChannel channel = Channels.newChannel(connection.getInputStream())) {
                ByteBuffer target = memory.asByteBuffer();
                while (target.hasRemaining()) {
                    if (channel.read(target) < 0) {
                        throw new ModelFormatException("the embedded " + fileName + " is truncated");
                    }
                }
            }
            return SafetensorsFile.parse(fileName, memory);
        } catch (IOException e) {
            throw new ModelFormatException("the embedded " + fileName + " cannot be read", e);
        }
    }
}
