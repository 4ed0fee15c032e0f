package dev.sluice.offload.disk;

import dev.sluice.kv.BlockHash;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a start finds in the directory, by names, sizes and times alone: contents are checked when they are wanted.
 *
 * @param entries oldest first
 * @param newestMicros the latest time that a chunk bears; 0 if there is none
 */
record DiskScan(List<DiskEntry> entries, long newestMicros) {

    private static final Logger LOG = LoggerFactory.getLogger(DiskScan.class);

    private record Found(DiskEntry entry, long micros) {}

    /** Also removes what an earlier process left half done. Files that do not look like ours are not touched. */
    static DiskScan of(Path directory, DiskChunkFile format, DiskFiles files) throws IOException {
        List<Found> found = new ArrayList<>();
        int removed = 0;
        try (DirectoryStream<Path> stream = Files.newDirectoryStream(directory)) {
            for (Path file : stream) {
                removed += look(file, format, files, found);
            }
        } catch (DirectoryIteratorException e) {
            throw e.getCause();
        }
        found.sort(Comparator.comparingLong(Found::micros).thenComparing(f -> f.entry.file));
        report(directory, found, removed);
        return new DiskScan(found.stream().map(Found::entry).toList(), found.isEmpty() ? 0 : found.getLast().micros);
    }

    /** @return 1 if the file was removed */
    private static int look(Path file, DiskChunkFile format, DiskFiles files, List<Found> found) throws IOException {
        String name = file.getFileName().toString();
        boolean chunk = name.endsWith(DiskChunkFile.SUFFIX);
        if (!chunk && !name.endsWith(DiskDirectory.TEMPORARY)) {
            return 0;
        }
        BasicFileAttributes attributes;
        try {
            attributes = Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
        } catch (NoSuchFileException e) {
            return 0;
        }
        if (!attributes.isRegularFile()) {
            return 0;
        }
        if (chunk && DiskChunkFile.isChunkName(name)) {
            BlockHash key = format.key(name);
            if (key == null || format.isPossibleSize(attributes.size())) {
                long micros = attributes.lastModifiedTime().to(TimeUnit.MICROSECONDS);
                found.add(new Found(DiskEntry.found(key, file, attributes.size()), micros));
                return 0;
            }
        }
        files.delete(file);
        return 1;
    }

    private static void report(Path directory, List<Found> found, int removed) {
        int foreign = 0;
        long foreignBytes = 0;
        for (Found f : found) {
            if (f.entry.key == null) {
                foreign++;
                foreignBytes += f.entry.bytes;
            }
        }
        LOG.info(
                "The disk tier found {} chunks in {} and removed {} files that were not whole",
                found.size() - foreign,
                directory,
                removed);
        if (foreign > 0) {
            LOG.info(
                    "The disk tier ignores {} chunks ({} bytes) in {} that another model or setting wrote; they go first",
                    foreign,
                    foreignBytes,
                    directory);
        }
    }
}
