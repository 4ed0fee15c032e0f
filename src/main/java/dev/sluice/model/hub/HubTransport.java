package dev.sluice.model.hub;

import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.Flow.Publisher;

/**
 * GET requests to the hub, one at a time.
 *
 * <p>Redirects are followed here and not by the client, because each hop decides anew whether the token may go along:
 * large files come from the hosts of a content network, which must never see it.
 */
final class HubTransport implements AutoCloseable {

    /** An answer with status 200 or 206 whose body is still to be read. */
    record Answer(int status, HttpHeaders headers, InputStream body) implements AutoCloseable {
        @Override
        public void close() throws IOException {
            body.close();
        }
    }

    private static final int REDIRECTS_MAX = 8;
    private static final int JSON_BYTES_MAX = 16 << 20;

    private final HubSettings settings;
    private final String model;
    private final HttpClient client;

    HubTransport(HubSettings settings, String model) {
        this.settings = settings;
        this.model = model;
        this.client = HttpClient.newBuilder()
                .followRedirects(HttpClient.Redirect.NEVER)
                .version(HttpClient.Version.HTTP_1_1) // one large file at a time: multiplexing only adds windows
                .connectTimeout(settings.silenceMax())
                .build();
    }

    /** A whole small answer. */
    byte[] getJson(String path) throws IOException {
        try (Answer answer = get(path, 0)) {
            if (answer.headers().firstValue("Link").orElse("").contains("rel=\"next\"")) {
                throw new HubException("The model " + model + " has more files than can be listed at once.");
            }
            byte[] bytes = answer.body().readNBytes(JSON_BYTES_MAX);
            if (answer.body().read() >= 0) {
                throw new HubException(
                        "The hub's answer about " + model + " is larger than " + JSON_BYTES_MAX + " bytes.");
            }
            return bytes;
        }
    }

    /** A file from some byte on; the server may answer with the whole of it (status 200). */
    Answer get(String path, long fromByte) throws IOException {
        URI uri = settings.resolve(path);
        for (int hop = 0; hop <= REDIRECTS_MAX; hop++) {
            HttpResponse<Publisher<List<ByteBuffer>>> response = send(uri, fromByte);
            int status = response.statusCode();
            InputStream body = new PacedBody(response.body(), settings.silenceMax());
            if (status == 200 || (status == 206 && fromByte > 0)) {
                return new Answer(status, response.headers(), body);
            }
            body.close();
            if (status < 300 || status >= 400 || status == 304) {
                throw failure(status);
            }
            uri = redirected(uri, response.headers());
        }
        throw new HubException("The hub redirects more than " + REDIRECTS_MAX + " times.");
    }

    private HttpResponse<Publisher<List<ByteBuffer>>> send(URI uri, long fromByte) throws IOException {
        HttpRequest.Builder request = HttpRequest.newBuilder(uri)
                .timeout(settings.silenceMax())
                .header("User-Agent", "sluice")
                .header("Accept-Encoding", "identity");
        if (settings.token() != null && sameOrigin(uri, settings.baseUrl())) {
            request.header("Authorization", "Bearer " + settings.token());
        }
        if (fromByte > 0) {
            request.header("Range", "bytes=" + fromByte + "-");
        }
        try {
            return client.send(request.build(), BodyHandlers.ofPublisher());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("The download was interrupted.");
        }
    }

    private static URI redirected(URI from, HttpHeaders headers) {
        URI target;
        try {
            target = from.resolve(headers.firstValue("Location").orElse(""));
        } catch (IllegalArgumentException e) {
            throw new HubException("The hub redirects to something that is not a URL.", e);
        }
        boolean https = "https".equalsIgnoreCase(target.getScheme());
        boolean http = "http".equalsIgnoreCase(target.getScheme());
        if (target.getHost() == null || !(https || (http && "http".equalsIgnoreCase(from.getScheme())))) {
            throw new HubException("The hub redirects from " + from.getScheme() + " to something less safe.");
        }
        return target;
    }

    static boolean sameOrigin(URI a, URI b) {
        return Objects.equals(lower(a.getScheme()), lower(b.getScheme()))
                && Objects.equals(lower(a.getHost()), lower(b.getHost()))
                && port(a) == port(b);
    }

    private static String lower(String text) {
        return text.toLowerCase(Locale.ROOT);
    }

    private static int port(URI uri) {
        if (uri.getPort() >= 0) {
            return uri.getPort();
        }
        return "https".equalsIgnoreCase(uri.getScheme()) ? 443 : 80;
    }

    /** A status that waiting may cure is an {@link IOException}, any other is final. */
    private IOException failure(int status) {
        return switch (status) {
            case 401, 403 ->
                throw new HubException("The hub refuses access to the model " + model + " (status " + status
                        + "): it is gated, private or absent, and "
                        + (settings.token() == null
                                ? "no token is configured."
                                : "the configured token may not read it."));
            case 404 ->
                throw new HubException("The hub has no model " + model
                        + ", or not in this revision, or not with this file (status 404).");
            case 408, 425, 429, 500, 502, 503, 504 -> new IOException("The hub answered with status " + status + ".");
            default -> throw new HubException("The hub answered with the unexpected status " + status + ".");
        };
    }

    @Override
    public void close() {
        client.shutdownNow(); // an abandoned body would keep an orderly close waiting
        client.close();
    }
}
