package dev.sluice.model.hub;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/** A hub with one model and a content network of its own on another port; it can be told to misbehave. */
final class FakeHub implements AutoCloseable {

    static final String MODEL = "someone/tiny";
    static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

    /** One request as it arrived. */
    record Seen(
            boolean atContentNetwork,
            String path,
            @Nullable String authorization,
            @Nullable String range) {}

    private final HttpServer hub = listen(false);
    private final HttpServer contentNetwork = listen(true);

    final List<Seen> seen = new CopyOnWriteArrayList<>();
    final Map<String, byte[]> files = new LinkedHashMap<>();

    /** Files that are stored as large ones: redirected to the content network, SHA-256 in the list. */
    final List<String> large = new CopyOnWriteArrayList<>();

    /** Answers by path, before anything else. */
    final Map<String, Integer> statuses = new HashMap<>();

    /** Each listed number of bytes ends one transfer of that file early. */
    final Map<String, List<Integer>> cuts = new HashMap<>();

    /** Sent in place of the listed content. */
    final Map<String, byte[]> lies = new HashMap<>();

    boolean ignoresRanges;
    boolean shiftsRanges;
    boolean fallsSilent;
    String redirectTo = "";
    String listExtra = "";

    private HttpServer listen(boolean content) {
        try {
            HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
            server.createContext("/", exchange -> handle(exchange, content));
            server.start();
            return server;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    URI url() {
        return url(hub);
    }

    private static URI url(HttpServer server) {
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
    }

    private boolean holds(String name) {
        return files.containsKey(name) || lies.containsKey(name);
    }

    byte[] content(String name) {
        return Objects.requireNonNull(files.get(name), name);
    }

    List<String> paths() {
        return seen.stream().map(Seen::path).toList();
    }

    private void handle(HttpExchange exchange, boolean content) throws IOException {
        String path = exchange.getRequestURI().toString();
        seen.add(new Seen(
                content,
                path,
                exchange.getRequestHeaders().getFirst("Authorization"),
                exchange.getRequestHeaders().getFirst("Range")));
        String resolve = "/" + MODEL + "/resolve/" + COMMIT + "/";
        if (statuses.containsKey(path)) {
            answer(exchange, statuses.get(path), new byte[0]);
        } else if (path.equals("/api/models/" + MODEL + "/revision/main")) {
            answer(
                    exchange,
                    200,
                    ("{\"id\":\"" + MODEL + "\",\"sha\":\"" + COMMIT + "\"}").getBytes(StandardCharsets.UTF_8));
        } else if (path.equals("/api/models/" + MODEL + "/tree/" + COMMIT + "?recursive=false")) {
            answer(exchange, 200, list().getBytes(StandardCharsets.UTF_8));
        } else if (path.startsWith(resolve) && holds(path.substring(resolve.length()))) {
            String name = path.substring(resolve.length());
            if (large.contains(name) && !content) {
                exchange.getResponseHeaders()
                        .set("Location", redirectTo.isEmpty() ? url(contentNetwork) + path : redirectTo);
                answer(exchange, 302, new byte[0]);
            } else {
                send(exchange, name);
            }
        } else {
            answer(exchange, 404, new byte[0]);
        }
    }

    private void send(HttpExchange exchange, String name) throws IOException {
        byte[] all = lies.containsKey(name) ? Objects.requireNonNull(lies.get(name)) : content(name);
        String range = exchange.getRequestHeaders().getFirst("Range");
        int from = range == null || ignoresRanges ? 0 : Integer.parseInt(range.replaceAll("[^0-9]", ""));
        byte[] rest = Arrays.copyOfRange(all, from, all.length);
        if (from > 0) {
            int told = shiftsRanges ? from + 1 : from;
            exchange.getResponseHeaders()
                    .set("Content-Range", "bytes " + told + "-" + (all.length - 1) + "/" + all.length);
        }
        exchange.sendResponseHeaders(from > 0 ? 206 : 200, rest.length);
        List<Integer> left = cuts.getOrDefault(name, List.of());
        if (left.isEmpty()) {
            exchange.getResponseBody().write(rest);
            exchange.close();
            return;
        }
        exchange.getResponseBody().write(rest, 0, Math.min(rest.length, left.removeFirst()));
        exchange.getResponseBody().flush();
        if (!fallsSilent) {
            exchange.close();
        }
    }

    private static void answer(HttpExchange exchange, int status, byte[] body) throws IOException {
        exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
        if (body.length > 0) {
            exchange.getResponseBody().write(body);
        }
        exchange.close();
    }

    private String list() {
        StringBuilder list = new StringBuilder("[{\"type\":\"directory\",\"path\":\"onnx\",\"oid\":\"x\",\"size\":0}");
        files.forEach((name, bytes) -> {
            byte[] blob = ("blob " + bytes.length + "\0").getBytes(StandardCharsets.US_ASCII);
            list.append(",{\"type\":\"file\",\"path\":\"")
                    .append(name)
                    .append("\",\"size\":")
                    .append(bytes.length);
            if (large.contains(name)) {
                list.append(",\"oid\":\"aaaa\",\"lfs\":{\"oid\":\"")
                        .append(hash("SHA-256", bytes))
                        .append("\"}}");
            } else {
                list.append(",\"oid\":\"").append(hash("SHA-1", blob, bytes)).append("\"}");
            }
        });
        return list.append(listExtra).append("]").toString();
    }

    private static String hash(String algorithm, byte[]... pieces) {
        try {
            MessageDigest digest = MessageDigest.getInstance(algorithm);
            for (byte[] piece : pieces) {
                digest.update(piece);
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    @Override
    public void close() {
        hub.stop(0);
        contentNetwork.stop(0);
    }
}
