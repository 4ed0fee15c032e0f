package dev.sluice.offload.disk;

import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.TRUNCATE_EXISTING;
import static java.nio.file.StandardOpenOption.WRITE;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.GatheringByteChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/** What the disk tier does to files: the one seam at which a disk can be made to fail. */
interface DiskFiles {

    /** The files of this machine; no link is followed, and nobody but the owner reads what is written. */
    DiskFiles REAL = new DiskFiles() {
        @Override
        public GatheringByteChannel create(Path file) throws IOException {
            return FileChannel.open(
                    file, Set.of(CREATE, TRUNCATE_EXISTING, WRITE, LinkOption.NOFOLLOW_LINKS), ownerOnly("rw-------"));
        }

        @Override
        public SeekableByteChannel open(Path file) throws IOException {
            return FileChannel.open(file, Set.of(READ, LinkOption.NOFOLLOW_LINKS));
        }

        @Override
        public void stamp(Path file, long micros) throws IOException {
            Files.setLastModifiedTime(file, FileTime.from(micros, TimeUnit.MICROSECONDS));
        }

        @Override
        public void publish(Path temporary, Path file) throws IOException {
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        }

        @Override
        public void delete(Path file) throws IOException {
            Files.deleteIfExists(file);
        }
    };

    /** An empty file to be written, whatever was there before. */
    GatheringByteChannel create(Path file) throws IOException;

    SeekableByteChannel open(Path file) throws IOException;

    /** Sets the time by which files are put in order after a restart. */
    void stamp(Path file, long micros) throws IOException;

    /** Gives a finished file its name, in one step. */
    void publish(Path temporary, Path file) throws IOException;

    /** Deletes a file; one that is not there is deleted already. */
    void delete(Path file) throws IOException;

    /** The permissions for something new, where the file system knows any. */
    static FileAttribute<?>[] ownerOnly(String permissions) {
        if (!FileSystems.getDefault().supportedFileAttributeViews().contains("posix")) {
            return new FileAttribute<?>[0];
        }
        return new FileAttribute<?>[] {
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions))
        };
    }
}
