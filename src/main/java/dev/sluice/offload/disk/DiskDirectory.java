package dev.sluice.offload.disk;

import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.WRITE;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A directory that belongs to this process until it is closed.
 *
 * <p>It is held by a lock that the operating system gives back when the process dies, however it dies.
 */
final class DiskDirectory implements AutoCloseable {

    /** What is being written ends with this; at the next start it is a leftover. */
    static final String TEMPORARY = ".kvchunk.tmp";

    /**
     * Held in this process. Closing any channel of a locked file can give up the process's lock on it, so a directory
     * that we hold ourselves must not be tried.
     */
    private static final Set<Path> HELD = ConcurrentHashMap.newKeySet();

    private final Path path;
    private final FileChannel lock;

    private DiskDirectory(Path path, FileChannel lock) {
        this.path = path;
        this.lock = lock;
    }

    /** @throws IllegalArgumentException with one sentence for the operator if it cannot be used */
    static DiskDirectory open(Path directory) {
        try {
            Files.createDirectories(directory, DiskFiles.ownerOnly("rwx------"));
            if (!Files.isDirectory(directory)) {
                throw unusable(directory, "it is not a directory");
            }
            if (!Files.isReadable(directory) || !Files.isWritable(directory)) {
                throw unusable(directory, "it cannot be read and written");
            }
            Path path = directory.toRealPath();
            if (!HELD.add(path)) {
                throw unusable(directory, "it is in use already");
            }
            return locked(path);
        } catch (IOException e) {
            throw unusable(directory, e);
        }
    }

    private static DiskDirectory locked(Path path) throws IOException {
        FileChannel channel = null;
        boolean held = false;
        try {
            channel = FileChannel.open(path.resolve("lock"), Set.of(CREATE, WRITE), DiskFiles.ownerOnly("rw-------"));
            if (channel.tryLock() == null) {
                throw unusable(path, "another process is using it");
            }
            held = true;
            return new DiskDirectory(path, channel);
        } catch (OverlappingFileLockException e) {
            throw unusable(path, "it is in use already");
        } finally {
            if (!held) {
                HELD.remove(path);
                if (channel != null) {
                    channel.close();
                }
            }
        }
    }

    Path path() {
        return path;
    }

    Path resolve(String name) {
        return path.resolve(name);
    }

    static IllegalArgumentException unusable(Path directory, IOException cause) {
        if (cause instanceof AccessDeniedException e) {
            return unusable(directory, "access to " + e.getFile() + " is denied");
        }
        if (cause instanceof FileAlreadyExistsException e) {
            return unusable(directory, e.getFile() + " is not a directory");
        }
        return unusable(directory, String.valueOf(cause.getMessage()));
    }

    private static IllegalArgumentException unusable(Path directory, String reason) {
        return new IllegalArgumentException("the disk tier cannot use the directory " + directory + ": " + reason);
    }

    @Override
    public void close() {
        try {
            lock.close();
        } catch (IOException e) {
            throw new UncheckedIOException("the lock of " + path + " cannot be closed", e);
        } finally {
            HELD.remove(path);
        }
    }
}
