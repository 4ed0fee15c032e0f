package dev.sluice.offload.disk;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import dev.sluice.kv.BlockHash;
import dev.sluice.kv.HostPages;
import dev.sluice.offload.StorageTier;
import dev.sluice.runtime.Clock;
import dev.sluice.runtime.SystemClock;
import dev.sluice.testkit.VirtualClock;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.slf4j.LoggerFactory;

/** A disk tier on a bench: chunks of two small pages whose contents follow from their key. */
final class DiskBench {

    static final int PAGES_PER_CHUNK = 2;
    static final long PAGE_BYTES = 512;
    static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(60);
    static final String FINGERPRINT = "tiny f32 block 16";

    final HostPages pages;
    final VirtualClock clock = new VirtualClock();
    final Path directory;

    DiskBench(Path directory) {
        this(directory, 64, PAGE_BYTES);
    }

    DiskBench(Path directory, int pageCount, long pageBytes) {
        this.directory = directory;
        pages = new HostPages(Arena.ofAuto().allocate(pageCount * pageBytes), pageBytes);
    }

    /** Size of a chunk's file, from the format's description: fixed part, two labels, two pages. */
    static long chunkBytes() {
        return 92 + 2 * 36 + 2 * PAGE_BYTES;
    }

    DiskTier open() {
        return open(100);
    }

    DiskTier open(int chunks) {
        return open(chunks, FINGERPRINT, DiskFiles.REAL);
    }

    DiskTier open(int chunks, String fingerprint, DiskFiles files) {
        DiskSettings settings = new DiskSettings(directory, chunks * chunkBytes(), 8, 8, 2);
        return new DiskTier(settings, fingerprint, pages, PAGES_PER_CHUNK, clock, files);
    }

    static BlockHash key(long n) {
        SplittableRandom random = new SplittableRandom(n);
        return new BlockHash(random.nextLong(), random.nextLong(), random.nextLong(), random.nextLong());
    }

    /** The hashes of a chunk's blocks; the last is the chunk's. */
    static BlockHash[] pageKeys(long n) {
        return new BlockHash[] {key(n + 1_000_000_000L), key(n)};
    }

    /** Fills and seals two pages from {@code page} on as chunk n. */
    int[] fill(long n, int page) {
        BlockHash[] keys = pageKeys(n);
        for (int i = 0; i < PAGES_PER_CHUNK; i++) {
            pages.page(page + i).copyFrom(java.lang.foreign.MemorySegment.ofArray(content(n, i)));
            pages.writeChecksum(page + i, keys[i]);
        }
        return new int[] {page, page + 1};
    }

    private byte[] content(long n, int i) {
        byte[] bytes = new byte[(int) pages.pageBytes()];
        new java.util.Random(31 * n + i).nextBytes(bytes);
        return bytes;
    }

    void wipe(int page) {
        for (int i = 0; i < PAGES_PER_CHUNK; i++) {
            pages.page(page + i).fill((byte) 0);
            pages.writeChecksum(page + i, key(-1));
        }
    }

    boolean holds(long n, int page) {
        BlockHash[] keys = pageKeys(n);
        boolean right = true;
        for (int i = 0; i < PAGES_PER_CHUNK; i++) {
            right &= pages.verify(page + i, keys[i]);
            right &= pages.page(page + i).mismatch(java.lang.foreign.MemorySegment.ofArray(content(n, i))) == -1;
        }
        return right;
    }

    /** Writes chunk n as job n and waits until it is reported. */
    StorageTier.Ended store(DiskTier tier, long n) {
        assertThat(tier.write(n, key(n), pageKeys(n), fill(n, 0)))
                .as("write %d", n)
                .isTrue();
        return await(tier, 1).getFirst();
    }

    /** Reads chunk n as job -n into wiped pages and waits; true if exactly its contents came. */
    boolean fetch(DiskTier tier, long n) {
        wipe(4);
        if (!tier.read(-n, key(n), pageKeys(n), new int[] {4, 5})) {
            return false;
        }
        StorageTier.Ended ended = await(tier, 1).getFirst();
        assertThat(ended.job()).isEqualTo(-n);
        assertThat(holds(n, 4)).as("pages after a read that says %s", ended).isEqualTo(ended.succeeded());
        return ended.succeeded();
    }

    static List<StorageTier.Ended> await(DiskTier tier, int count) {
        List<StorageTier.Ended> all = new ArrayList<>();
        await(() -> {
            all.addAll(tier.poll());
            return all.size() >= count;
        });
        assertThat(all).hasSize(count);
        return all;
    }

    /** Waits until nothing is open and everything that shall be deleted is. */
    static void settle(DiskTier tier) {
        await(() -> {
            tier.poll();
            return !tier.hasPendingWork();
        });
    }

    static void await(BooleanSupplier condition) {
        Clock real = new SystemClock();
        long deadline = real.monotonicNanos() + PATIENCE_NANOS;
        while (!condition.getAsBoolean()) {
            assertThat(real.monotonicNanos()).as("patience").isLessThan(deadline);
            Thread.yield();
        }
    }

    Path file(long n) {
        return directory.resolve(new DiskChunkFile(FINGERPRINT, pages.pageBytes(), PAGES_PER_CHUNK).name(key(n)));
    }

    /** Names of the chunk files and of leftovers, sorted. */
    List<String> names() {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(f -> f.getFileName().toString())
                    .filter(name -> name.contains(".kvchunk"))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What the chunk files add up to. */
    long bytesOnDisk() {
        long sum = 0;
        for (String name : names()) {
            sum += directory.resolve(name).toFile().length();
        }
        return sum;
    }

    /** What the logs of the room say from here on. */
    static final class Log implements AutoCloseable {
        private final Logger logger = (Logger) LoggerFactory.getLogger("dev.sluice.offload");
        private final ListAppender<ILoggingEvent> lines = new ListAppender<>();

        Log() {
            logger.setLevel(Level.INFO);
            lines.start();
            logger.addAppender(lines);
        }

        List<String> with(String part) {
            return List.copyOf(lines.list).stream()
                    .map(ILoggingEvent::getFormattedMessage)
                    .filter(line -> line.contains(part))
                    .toList();
        }

        @Override
        public void close() {
            logger.detachAppender(lines);
            logger.setLevel(null);
        }
    }
}
