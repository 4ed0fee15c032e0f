package dev.sluice.executor.cuda.kernels;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Compiled kernels in a directory, so that a host compiles each once.
 *
 * <p>An entry is a file: the image, then a checksum of key and image. It appears whole or not at all, so several processes
 * can share the directory; what is damaged all the same is as good as absent. No failure of the disk stops the caller.
 */
final class KernelCache {

    private static final Logger log = LoggerFactory.getLogger(KernelCache.class);
    private static final int CHECKSUM_BYTES = 32;

    private final @Nullable Path directory;
    private boolean complained;

    /** @param directory made when it is first needed; null keeps nothing */
    KernelCache(@Nullable Path directory) {
        this.directory = directory;
    }

    /** A key for what is made from exactly these parts. */
    static String key(List<String> parts) {
        MessageDigest digest = digest();
        for (String part : parts) {
            byte[] bytes = part.getBytes(StandardCharsets.UTF_8);
            digest.update((bytes.length + ":")
                    .getBytes(StandardCharsets.UTF_8)); // the end of one is not the next one's start
            digest.update(bytes);
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    /** Null if there is no such entry, or a damaged one. */
    byte @Nullable [] get(String key) {
        if (directory == null) {
            return null;
        }
        try {
            byte[] entry = Files.readAllBytes(file(directory, key));
            int end = Math.max(0, entry.length - CHECKSUM_BYTES);
            byte[] image = Arrays.copyOf(entry, end);
            if (Arrays.equals(checksum(key, image), Arrays.copyOfRange(entry, end, entry.length))) {
                return image;
            }
            log.warn("A compiled kernel in {} is damaged and will be compiled again", directory);
        } catch (NoSuchFileException e) {
            return null;
        } catch (IOException e) {
            complain(directory, e);
        }
        return null;
    }

    /** Keeps an image, if the directory takes it. */
    void put(String key, byte[] image) {
        if (directory == null) {
            return;
        }
        try {
            Files.createDirectories(directory);
            Path part = Files.createTempFile(directory, key, ".part");
            try {
                byte[] entry = Arrays.copyOf(image, image.length + CHECKSUM_BYTES);
                System.arraycopy(checksum(key, image), 0, entry, image.length, CHECKSUM_BYTES);
                Files.write(part, entry);
                Files.move(part, file(directory, key), StandardCopyOption.ATOMIC_MOVE);
            } finally {
                Files.deleteIfExists(part);
            }
        } catch (IOException e) {
            complain(directory, e);
        }
    }

    private void complain(Path where, IOException e) {
        if (!complained) {
            complained = true;
            log.warn("Compiled kernels cannot be kept in {}, so every start compiles them: {}", where, e.toString());
        }
    }

    private static Path file(Path directory, String key) {
        return directory.resolve(key + ".cubin");
    }

    /** Of the key too: an image under another's name is damage. */
    private static byte[] checksum(String key, byte[] image) {
        MessageDigest digest = digest();
        digest.update(key.getBytes(StandardCharsets.UTF_8));
        return digest.digest(image);
    }

    private static MessageDigest digest() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }
}
