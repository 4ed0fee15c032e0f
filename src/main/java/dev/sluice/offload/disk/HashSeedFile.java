package dev.sluice.offload.disk;

import static java.nio.file.LinkOption.NOFOLLOW_LINKS;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.GatheringByteChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The secret hash seed that lives beside the chunks, so that prefixes have the same hashes after a restart although no
 * seed is configured.
 */
public final class HashSeedFile {

    private static final Logger LOG = LoggerFactory.getLogger(HashSeedFile.class);
    private static final String NAME = "seed";
    private static final int BYTES = 32;

    private HashSeedFile() {}

    /**
     * Reads the seed of a directory, or makes one; to be called before a {@link DiskTier} is opened there.
     *
     * @throws IllegalArgumentException with one sentence if the directory cannot be used
     */
    public static byte[] readOrCreate(Path directory) {
        try (DiskDirectory held = DiskDirectory.open(directory)) {
            Path file = held.resolve(NAME);
            byte[] seed = read(file);
            return seed != null ? seed : create(file, held.resolve(NAME + DiskDirectory.TEMPORARY));
        } catch (IOException e) {
            throw DiskDirectory.unusable(directory, e);
        }
    }

    private static byte @Nullable [] read(Path file) throws IOException {
        if (!Files.exists(file, NOFOLLOW_LINKS)) {
            return null;
        }
        ByteBuffer content = ByteBuffer.allocate(BYTES);
        try (SeekableByteChannel in = DiskFiles.REAL.open(file)) {
            while (content.hasRemaining() && in.read(content) >= 0) {}
            boolean zero = Arrays.equals(content.array(), new byte[BYTES]); // what a lost block reads as
            if (in.size() == BYTES && !content.hasRemaining() && !zero) {
                return content.array();
            }
        } catch (NoSuchFileException e) {
            return null;
        }
        LOG.warn("The seed in {} is damaged; a new one is made, and what was kept before will not be found", file);
        return null;
    }

    /** Forced to the disk, unlike chunks: a seed that is lost makes all of them useless. */
    private static byte[] create(Path file, Path temporary) throws IOException {
        byte[] seed = new byte[BYTES];
        new SecureRandom().nextBytes(seed);
        Files.deleteIfExists(temporary); // its permissions would stay
        try (GatheringByteChannel out = DiskFiles.REAL.create(temporary)) {
            ByteBuffer content = ByteBuffer.wrap(seed);
            while (content.hasRemaining()) {
                out.write(content);
            }
            ((FileChannel) out).force(true);
        }
        DiskFiles.REAL.publish(temporary, file);
        return seed;
    }
}
