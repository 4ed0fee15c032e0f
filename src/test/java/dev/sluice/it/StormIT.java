package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import com.sun.management.UnixOperatingSystemMXBean;
import dev.sluice.admission.AdmissionControl;
import dev.sluice.scheduler.ContinuousBatchingScheduler;
import dev.sluice.scheduler.SchedulerSnapshot;
import dev.sluice.testkit.LogLines;
import io.netty.util.ResourceLeakDetector;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Storms of calls whose clients go away, each in its own way. Whatever the way, everything the calls held is given back
 * within two seconds and the grace of readers. {@code -Dstorm.calls=10000} makes longer storms.
 */
class StormIT {

    private static final int CALLS = Integer.getInteger("storm.calls", 500);
    private static final int THREADS = 20;
    private static final Duration GRACE = Duration.ofSeconds(2);
    private static final Duration PROMPT = Duration.ofSeconds(2);
    private static final long HEAP_GROWTH_MAX = 24L << 20; // less than what 500 lost calls of this size would keep
    private static final int DESCRIPTORS_MAX = 5; // a client or a file of the server's own that opens meanwhile

    private static RunningServer server;
    private static LogLines log;
    private static ResourceLeakDetector.Level level;

    /** How a client goes away. */
    enum Way {
        /** Up to 20 ms after it has sent its request, mostly before the head of the response. */
        BEFORE_THE_HEAD {
            @Override
            void leave(Socket socket, Random random) throws Exception {
                TimeUnit.MICROSECONDS.sleep(random.nextInt(20_000));
            }
        },
        WITHIN_THE_HEAD {
            @Override
            void leave(Socket socket, Random random) throws Exception {
                socket.getInputStream().readNBytes(1 + random.nextInt(150));
            }
        },
        MID_STREAM {
            @Override
            void leave(Socket socket, Random random) throws Exception {
                socket.getInputStream().readNBytes(400 + random.nextInt(1_500));
            }
        },
        /** It says that it will send no more, and would go on reading. */
        HALF_CLOSED {
            @Override
            void leave(Socket socket, Random random) throws Exception {
                TimeUnit.MICROSECONDS.sleep(random.nextInt(20_000));
                socket.shutdownOutput();
                readToTheEnd(socket);
            }
        },
        /** It stays and reads nothing. */
        UNREAD {
            @Override
            void leave(Socket socket, Random random) throws Exception {
                TimeUnit.MILLISECONDS.sleep(GRACE.plus(PROMPT).toMillis());
            }
        };

        abstract void leave(Socket socket, Random random) throws Exception;
    }

    @BeforeAll
    static void start() throws Exception {
        level = ResourceLeakDetector.getLevel();
        ResourceLeakDetector.setLevel(ResourceLeakDetector.Level.PARANOID);
        server = new RunningServer(
                "--sluice.executor.type=simulator",
                "--sluice.admission.max-queued-requests=256",
                "--sluice.admission.max-answer-memory=4GB", // so that connections and permits alone decide
                "--sluice.api.max-answer-memory=100MB",
                "--sluice.api.write-timeout=" + GRACE.toMillis() + "ms");
        log = LogLines.record();
        for (Way way : Way.values()) {
            storm(way, 40); // what is allocated once, is allocated before it is counted
        }
    }

    @AfterAll
    static void stop() {
        log.close();
        server.close();
        ResourceLeakDetector.setLevel(level);
    }

    private static byte[] request(int choices, int tokens, boolean stream) {
        String body = "{\"prompt\":\"Once upon a time\",\"ignore_eos\":true,\"logprobs\":5,\"max_tokens\":" + tokens
                + ",\"n\":" + choices + ",\"stream\":" + stream + "}";
        return ("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                        + "Content-Length: " + body.length() + "\r\n" + (stream ? "" : "Connection: close\r\n") + "\r\n"
                        + body)
                .getBytes(StandardCharsets.US_ASCII);
    }

    private static Socket connect() throws IOException {
        Socket socket = new Socket();
        socket.setReceiveBufferSize(4096); // so that little is enough for a reader to stall
        socket.setSoTimeout(30_000);
        socket.connect(
                new InetSocketAddress("localhost", URI.create(server.base).getPort()));
        return socket;
    }

    private static void readToTheEnd(Socket socket) {
        byte[] buffer = new byte[8192];
        try {
            while (socket.getInputStream().read(buffer) >= 0) {}
        } catch (SocketTimeoutException e) {
            throw new AssertionError("the connection stays open", e);
        } catch (IOException e) {
            // Reset: that is an end, too.
        }
    }

    private static void storm(Way way, int calls) throws Exception {
        // Those who stay do so side by side: more of them than sequences fit inside, if each keeps what it holds.
        int threads = way == Way.UNREAD ? 100 : THREADS;
        List<Future<Void>> clients = new ArrayList<>();
        try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
            for (int i = 0; i < calls; i++) {
                int seed = i;
                clients.add(pool.submit(() -> {
                    Random random = new Random(seed);
                    boolean stream = seed % 8 != 7;
                    int choices = stream && random.nextInt(4) == 0 ? 16 : 1;
                    try (Socket socket = connect()) {
                        socket.getOutputStream().write(request(choices, stream ? 400 : 20, stream));
                        way.leave(socket, random);
                        socket.setSoLinger(random.nextBoolean(), 0); // half of them reset, half of them close
                    }
                    return null;
                }));
            }
        }
        for (Future<Void> client : clients) {
            client.get();
        }
    }

    private static void within(Duration limit, BooleanSupplier condition) {
        long end = System.nanoTime() + limit.toNanos();
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime() - end)
                    .as("admitted %d, %s", admitted(), engine())
                    .isNegative();
            java.util.concurrent.locks.LockSupport.parkNanos(5_000_000);
        }
    }

    private static int admitted() {
        return server.bean(AdmissionControl.class).sequences();
    }

    private static SchedulerSnapshot engine() {
        return server.bean(ContinuousBatchingScheduler.class).snapshot();
    }

    private static boolean isQuiet() {
        SchedulerSnapshot engine = engine();
        return admitted() == 0
                && server.bean(AdmissionControl.class).waitingTokens() == 0
                && engine.running() == 0
                && engine.waitingForCapacity() == 0
                && engine.waitingDeferred() == 0
                && engine.blocksUsed() == 0;
    }

    private static long descriptors() {
        return ((UnixOperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getOpenFileDescriptorCount();
    }

    private static long heap() {
        System.gc();
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    }

    @ParameterizedTest
    @EnumSource
    void aStormLeavesNothingBehind(Way way) throws Exception {
        long descriptors = descriptors();
        long heap = heap();
        storm(way, way == Way.UNREAD ? CALLS / 5 : CALLS);
        within(PROMPT.plus(way == Way.UNREAD ? GRACE : Duration.ZERO), StormIT::isQuiet);
        // Clients and server are one process, so that its descriptors are the connections of both.
        within(PROMPT, () -> descriptors() <= descriptors + DESCRIPTORS_MAX);
        within(PROMPT, () -> heap() - heap < HEAP_GROWTH_MAX);
        String next = server.post("/v1/completions", "{\"prompt\":\"Hello\",\"max_tokens\":3}")
                .body();
        assertThat(next).contains("\"completion_tokens\":3");
        server.checkThatSourcesAddUp();
        assertThat(log.at(Level.WARN)).isEmpty(); // among them would be what Netty has found to be lost
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aReaderThatDoesNotReadLosesItsConnection(boolean stream) throws Exception {
        double before = server.metric("sluice_http_stalled_readers_total");
        List<Socket> sockets = new ArrayList<>();
        for (int i = 0; i < 24; i++) { // times 16: as many as may be inside
            Socket socket = connect();
            socket.getOutputStream().write(request(16, 2000, stream));
            sockets.add(socket);
        }
        RunningServer.await(() -> admitted() == 24 * 16);
        RunningServer.await(StormIT::isQuiet);
        assertThat(server.metric("sluice_http_stalled_readers_total") - before).isPositive();
        for (Socket socket : sockets) {
            if (stream) { // a whole answer may just fit into the buffers of the system, and then it has been sent
                readToTheEnd(socket);
            }
            socket.close();
        }
        assertThat(log.at(Level.WARN)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"/metrics", "/actuator/prometheus"})
    void aPageThatNobodyReadsEndsInTheSameWay(String path) throws Exception {
        String base = path.startsWith("/actuator") ? server.management : server.base;
        try (Socket socket = new Socket()) {
            socket.setReceiveBufferSize(4096);
            socket.setSoTimeout(30_000);
            socket.connect(new InetSocketAddress("localhost", URI.create(base).getPort()));
            double before = server.metric("sluice_http_stalled_readers_total");
            byte[] request =
                    ("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n").getBytes(StandardCharsets.US_ASCII);
            for (int i = 0; i < 100; i++) {
                socket.getOutputStream().write(request);
            }
            RunningServer.await(() -> server.metric("sluice_http_stalled_readers_total") == before + 1);
            readToTheEnd(socket);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void oneThatReadsSlowlyGetsAllOfIt(boolean stream) throws Exception {
        try (Socket socket = connect()) {
            socket.getOutputStream().write(request(2, 400, stream));
            StringBuilder answer = new StringBuilder();
            byte[] buffer = new byte[16 << 10];
            String end = stream ? "data: [DONE]\n\n" : "}}";
            while (answer.indexOf(end) < 0) {
                answer.append(new String(buffer, 0, socket.getInputStream().read(buffer), StandardCharsets.ISO_8859_1));
                TimeUnit.MILLISECONDS.sleep(100); // longer than the grace, all in all
            }
            assertThat(answer.toString().split("\"finish_reason\":\"length\"", -1))
                    .hasSize(3);
        }
        within(PROMPT, StormIT::isQuiet);
    }
}
