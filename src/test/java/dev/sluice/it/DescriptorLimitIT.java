package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.Socket;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The packaged jar with few descriptors, and more clients than it has of them. */
class DescriptorLimitIT {

    private static final int FILES_MAX = 256;

    @TempDir
    private Path directory;

    @Test
    void theManagementPortAnswersWhateverStandsAtTheOther() throws Exception {
        List<Socket> idle = new ArrayList<>();
        try (ServerProcess server =
                ServerProcess.ofJarWithFiles(FILES_MAX, directory, "--sluice.executor.type=simulator")) {
            server.awaitReady();
            String management = server.management();
            for (int i = 0; i < 2 * FILES_MAX; i++) {
                idle.add(RawHttp.connect(server.base));
            }
            for (String path : List.of("/actuator/health/readiness", "/actuator/prometheus")) {
                assertThat(RawHttp.exchange(management, RawHttp.get(path, ""))).startsWith("HTTP/1.1 200");
            }
            assertThat(RawHttp.exchange(server.base, RawHttp.get("/health", "")))
                    .satisfiesAnyOf(
                            answer -> assertThat(answer)
                                    .startsWith("HTTP/1.1 503")
                                    .contains("too_many_connections"),
                            answer -> assertThat(answer).isEmpty()); // closed while the request was still on its way
            for (Socket socket : idle) {
                socket.close();
            }
            RunningServer.await(() -> server.status("/health") == 200);
            assertThat(server.log()).doesNotContain("Too many open files", "\tat ");
        } finally {
            for (Socket socket : idle) {
                socket.close();
            }
        }
    }
}
