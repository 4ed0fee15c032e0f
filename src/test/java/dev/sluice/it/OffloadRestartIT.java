package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** What a killed server has kept is used by the next one, or not at all. */
class OffloadRestartIT {

    private static final int PROMPTS = 5;

    @TempDir
    private Path directory;

    @Test
    void afterAKillPrefixesComeFromTheDiskAndDamagedFilesAreSkipped() throws Exception {
        Map<Integer, String> answers = new LinkedHashMap<>();
        try (ServerProcess server = start()) {
            for (int i = 0; i < PROMPTS; i++) {
                answers.put(i, text(ask(server, i)));
            }
            RunningServer.await(() -> server.metric("sluice_kv_tier_jobs", "") == 0);
            List<CompletableFuture<?>> others = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                others.add(server.post("/v1/chat/completions", body(100 + i)));
            }
            RunningServer.await(() -> server.running() >= 4);
            server.kill();
            for (CompletableFuture<?> other : others) {
                other.exceptionally(e -> null).join();
            }
        }
        damage();

        try (ServerProcess server = start()) {
            assertThat(server.log()).contains("MiB of it usable from before");
            int fromDisk = 0;
            for (int i = 0; i < PROMPTS; i++) {
                JsonNode answer = ask(server, i);
                assertThat(text(answer)).isEqualTo(answers.get(i));
                fromDisk += answer.at("/usage/prompt_tokens_details/cached_tokens_details/storage")
                        .intValue();
            }
            assertThat(fromDisk).isPositive();
            assertThat(server.metric("vllm:prompt_tokens_by_source_total", "external_kv_transfer"))
                    .isEqualTo(fromDisk);
            assertThat(server.metric("vllm:prompt_tokens_by_source_total", ""))
                    .isEqualTo(server.metric("vllm:prompt_tokens_total", ""));
            assertThat(server.metric("sluice_kv_tier_failures_total", "direction=\"load\""))
                    .isPositive();
            assertThat(server.status("/health/ready")).isEqualTo(200);
        }
    }

    private ServerProcess start() throws Exception {
        ServerProcess server = ServerProcess.ofJar(
                directory,
                "--sluice.kv.blocks=48",
                "--sluice.offload.host-memory=4MB",
                "--sluice.offload.disk.directory=" + directory.resolve("kv"),
                "--sluice.offload.disk.size=100MB");
        server.awaitReady();
        return server;
    }

    /** Of every eight chunks one loses its second half, and one has a bit flipped. */
    private void damage() throws Exception {
        List<Path> chunks;
        try (Stream<Path> files = Files.list(directory.resolve("kv"))) {
            chunks = files.filter(file -> file.toString().endsWith(".kvchunk"))
                    .sorted(Comparator.comparingLong(file -> file.toFile().lastModified()))
                    .toList();
        }
        for (int i = 4; i < chunks.size(); i++) {
            try (RandomAccessFile file = new RandomAccessFile(chunks.get(i).toFile(), "rw")) {
                if (i % 8 == 4) {
                    file.setLength(file.length() / 2);
                } else if (i % 8 == 0) {
                    file.seek(file.length() / 2);
                    int value = file.read();
                    file.seek(file.length() / 2);
                    file.write(value ^ 16);
                }
            }
        }
    }

    private static JsonNode ask(ServerProcess server, int number) {
        return RunningServer.json(
                server.post("/v1/chat/completions", body(number)).join().body());
    }

    private static String text(JsonNode answer) {
        return answer.at("/choices/0/message/content").asString();
    }

    private static String body(int number) {
        String content = ("Say something about number " + number + ". ").repeat(10);
        return "{\"messages\":[{\"role\":\"user\",\"content\":\"" + content
                + "\"}],\"temperature\":0,\"min_tokens\":24,\"max_tokens\":24}";
    }
}
