package dev.sluice.it;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ConnectException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** A server in a process of its own, with a plain client for it. */
final class ServerProcess implements AutoCloseable {

    private final HttpClient client = HttpClient.newHttpClient();
    private final Process process;
    private final Path log;
    final String base;

    private ServerProcess(List<String> launch, Path directory, String... arguments) throws IOException {
        int port = freePort();
        base = "http://localhost:" + port;
        log = directory.resolve("log");
        List<String> command = new ArrayList<>(launch);
        command.add("--server.port=" + port);
        command.add("--management.server.port=0");
        command.addAll(List.of(arguments));
        process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
    }

    /** The packaged jar. */
    static ServerProcess ofJar(Path directory, String... arguments) throws IOException {
        return new ServerProcess(java("-jar", jar().toString()), directory, arguments);
    }

    /** The packaged jar in a process that may have only so many files and connections open. */
    static ServerProcess ofJarWithFiles(int filesMax, Path directory, String... arguments) throws IOException {
        List<String> launch = new ArrayList<>(List.of("sh", "-c", "ulimit -n " + filesMax + " && exec \"$@\"", "sh"));
        launch.addAll(java("-jar", jar().toString()));
        return new ServerProcess(launch, directory, arguments);
    }

    private static List<String> java(String... arguments) {
        List<String> launch = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "@" + Path.of("config/jvm.options").toAbsolutePath()));
        launch.addAll(List.of(arguments));
        return launch;
    }

    /** A main class of the tests. */
    static ServerProcess ofTests(Class<?> main, Path directory, List<String> options, String... arguments)
            throws IOException {
        String classes = System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
        List<String> launch = java(options.toArray(String[]::new));
        launch.addAll(List.of("-cp", classes, main.getName()));
        return new ServerProcess(launch, directory, arguments);
    }

    /** The base of the management port, which the process has chosen and logged. */
    String management() {
        return Pattern.compile("started on port (\\d+)")
                .matcher(log())
                .results()
                .map(port -> "http://localhost:" + port.group(1))
                .filter(port -> !port.equals(base))
                .findFirst()
                .orElseThrow();
    }

    void awaitReady() {
        RunningServer.await(() -> {
            if (!process.isAlive()) {
                throw new AssertionError(log());
            }
            return status("/health/ready") == 200;
        });
    }

    /** The status, or -1 if nobody answers. */
    int status(String path) {
        try {
            return client.send(HttpRequest.newBuilder(URI.create(base + path)).build(), BodyHandlers.ofString())
                    .statusCode();
        } catch (IOException e) {
            return -1;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    CompletableFuture<HttpResponse<String>> post(String path, String body) {
        HttpRequest request = HttpRequest.newBuilder(URI.create(base + path))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
        return client.sendAsync(request, BodyHandlers.ofString());
    }

    /** Requests in the batch, or -1 if nobody answers. */
    double running() {
        return metric("vllm:num_requests_running", "");
    }

    /** The value of a metric without labels, or -1 if nobody answers. */
    double gauge(String name) {
        return value(line -> line.startsWith(name + " "));
    }

    /** Sum of all series of a metric whose labels contain the given text, or -1 if nobody answers. */
    double metric(String name, String labels) {
        return value(line -> line.startsWith(name + "{") && line.contains(labels));
    }

    private double value(Predicate<String> wanted) {
        try {
            String page = client.send(
                            HttpRequest.newBuilder(URI.create(base + "/metrics"))
                                    .build(),
                            BodyHandlers.ofString())
                    .body();
            return page.lines()
                    .filter(wanted)
                    .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' '))))
                    .sum();
        } catch (ConnectException e) {
            return -1;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    void terminate() {
        process.destroy();
    }

    /** As a power failure or the kernel would. */
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    boolean isAlive() {
        return process.isAlive();
    }

    /** The exit code, if it comes in time. */
    int awaitExit(int seconds) throws InterruptedException {
        if (!process.waitFor(seconds, TimeUnit.SECONDS)) {
            throw new AssertionError("still running after " + seconds + " s:\n" + log());
        }
        return process.exitValue();
    }

    String log() {
        try {
            return Files.readString(log);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0)) {
            return socket.getLocalPort();
        }
    }

    private static Path jar() throws IOException {
        try (Stream<Path> files = Files.list(Path.of("target"))) {
            return files.filter(file -> file.getFileName().toString().matches("sluice-.*\\.jar"))
                    .findFirst()
                    .orElseThrow()
                    .toAbsolutePath();
        }
    }

    @Override
    public void close() {
        process.destroyForcibly();
        client.close();
    }
}
