package dev.sluice.executor.cuda.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

/** What is on the disk is whole or not used, and no disk stops a start. */
class KernelCacheTest {

    private static final String KEY = KernelCache.key(List.of("a kernel"));
    private static final byte[] IMAGE = {1, 2, 3, 4, 5, 6, 7};

    private final Logger logger = (Logger) LoggerFactory.getLogger(KernelCache.class);
    private final ListAppender<ILoggingEvent> log = new ListAppender<>();

    @TempDir
    Path directory;

    @BeforeEach
    void listen() {
        log.start();
        logger.setAdditive(false);
        logger.addAppender(log);
    }

    @AfterEach
    void stopListening() {
        logger.detachAppender(log);
        logger.setAdditive(true);
    }

    private Path onlyFile() throws IOException {
        try (var files = Files.list(directory)) {
            List<Path> all = files.toList();
            assertThat(all).hasSize(1);
            return all.getFirst();
        }
    }

    @Test
    void anEntryOutlivesItsProcess() {
        Path deep = directory.resolve("made/when/needed");
        new KernelCache(deep).put(KEY, IMAGE);
        assertThat(new KernelCache(deep).get(KEY)).isEqualTo(IMAGE);
        assertThat(new KernelCache(deep).get(KernelCache.key(List.of("another"))))
                .isNull();
        assertThat(log.list).isEmpty();
    }

    @Test
    void withoutADirectoryNothingIsKept() {
        KernelCache cache = new KernelCache(null);
        cache.put(KEY, IMAGE);
        assertThat(cache.get(KEY)).isNull();
        assertThat(log.list).isEmpty();
    }

    @Test
    void everyDamageIsSeenAndMended() throws IOException {
        KernelCache cache = new KernelCache(directory);
        cache.put(KEY, IMAGE);
        byte[] whole = Files.readAllBytes(onlyFile());
        for (int i = 0; i < whole.length; i++) {
            byte[] damaged = whole.clone();
            damaged[i] ^= 4;
            Files.write(onlyFile(), damaged);
            assertThat(cache.get(KEY)).as("byte " + i).isNull();
            Files.write(onlyFile(), Arrays.copyOf(whole, i));
            assertThat(cache.get(KEY)).as("cut at " + i).isNull();
        }
        assertThat(log.list.getFirst().getFormattedMessage())
                .isEqualTo("A compiled kernel in " + directory + " is damaged and will be compiled again");
        cache.put(KEY, IMAGE);
        assertThat(cache.get(KEY)).isEqualTo(IMAGE);
    }

    @Test
    void anEntryIsWholeWhileOthersWriteIt() {
        byte[] image = new byte[1 << 20];
        new KernelCache(directory).put(KEY, image);
        Runnable writer = () -> {
            KernelCache other = new KernelCache(directory);
            for (int i = 0; i < 100; i++) {
                other.put(KEY, image);
            }
        };
        KernelCache cache = new KernelCache(directory);
        try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
            List<Future<?>> writers = List.of(threads.submit(writer), threads.submit(writer));
            while (!writers.stream().allMatch(Future::isDone)) {
                assertThat(cache.get(KEY)).isEqualTo(image);
            }
        }
        assertThat(log.list).isEmpty();
    }

    @Test
    void anEntryUnderAnothersNameIsDamage() throws IOException {
        KernelCache cache = new KernelCache(directory);
        cache.put(KEY, IMAGE);
        String other = KernelCache.key(List.of("another"));
        Files.move(onlyFile(), directory.resolve(other + ".cubin"));
        assertThat(cache.get(other)).isNull();
    }

    @Test
    void aDirectoryThatCannotBeWrittenIsSaidOnce() throws IOException {
        Path file = Files.createFile(directory.resolve("file")); // root may write everywhere, but not below a file
        KernelCache cache = new KernelCache(file.resolve("kernels"));
        for (int i = 0; i < 3; i++) {
            assertThat(cache.get(KEY)).isNull();
            cache.put(KEY, IMAGE);
        }
        assertThat(log.list)
                .singleElement()
                .satisfies(event -> assertThat(event.getFormattedMessage())
                        .startsWith("Compiled kernels cannot be kept in " + file.resolve("kernels")));
    }

    @Test
    void anEntryThatCannotBeReplacedLeavesNothingBehind() throws IOException {
        Path entry = Files.createDirectories(directory.resolve(KEY + ".cubin"));
        Files.createFile(entry.resolve("in the way"));
        KernelCache cache = new KernelCache(directory);
        assertThat(cache.get(KEY)).isNull();
        cache.put(KEY, IMAGE);
        assertThat(onlyFile()).isEqualTo(entry);
        assertThat(log.list).hasSize(1);
    }
}
