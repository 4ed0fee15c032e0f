package dev.sluice.api.connection;

import dev.sluice.api.ApiError;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.TooLongHttpHeaderException;
import io.netty.handler.codec.http.TooLongHttpLineException;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Which heads of requests are refused: what the standard lets nobody guess, and what nobody here can meet (RFC 9110, 9112). */
final class HeadRules {

    private static final int HEADERS_MAX = 100;
    private static final Pattern HOST = Pattern.compile("[A-Za-z0-9._~%!$&'()*+,;=:\\[\\]-]*");
    private static final Pattern TOKEN = Pattern.compile("[A-Za-z0-9!#$%&'*+.^_`|~-]+");

    private HeadRules() {}

    /** What the client is told about a head that could not be decoded. */
    static ApiError undecodable(@Nullable Throwable cause) {
        if (cause instanceof TooLongHttpLineException) {
            return ApiError.invalidRequest(414, "request_line_too_long", "the request line is too long");
        }
        if (cause instanceof TooLongHttpHeaderException) {
            return ApiError.invalidRequest(431, "headers_too_large", "the headers are too large");
        }
        return ApiError.invalidRequest(400, "bad_request", "the head of the request is not valid HTTP");
    }

    /** What is wrong with the head, or null. */
    static @Nullable ApiError check(HttpRequest request) {
        HttpHeaders headers = request.headers();
        if (headers.size() > HEADERS_MAX) {
            return ApiError.invalidRequest(
                    431, "headers_too_large", "a request may have at most " + HEADERS_MAX + " headers");
        }
        HttpVersion version = request.protocolVersion();
        boolean http11 = version.equals(HttpVersion.HTTP_1_1);
        if (!http11 && !version.equals(HttpVersion.HTTP_1_0)) {
            return ApiError.invalidRequest(
                    505, "http_version_not_supported", "only versions 1.1 and 1.0 of HTTP are spoken");
        }
        if (!isTarget(request.uri())) {
            return ApiError.invalidRequest(
                    400, "invalid_target", "the path and the query must be those of a URI, with % escapes");
        }
        List<String> hosts = headers.getAll(HttpHeaderNames.HOST);
        if (hosts.size() > 1 || (http11 && hosts.isEmpty())) {
            return ApiError.invalidRequest(400, "ambiguous_host", "the Host header must be sent exactly once");
        }
        if (!hosts.isEmpty() && !HOST.matcher(hosts.getFirst().strip()).matches()) {
            return ApiError.invalidRequest(400, "invalid_host", "the Host header must be a host and perhaps a port");
        }
        ApiError coding = transferCoding(headers.getAll(HttpHeaderNames.TRANSFER_ENCODING));
        if (coding != null) {
            return coding;
        }
        for (String expectation : headers.getAll(HttpHeaderNames.EXPECT)) {
            if (!expectation.strip().equalsIgnoreCase("100-continue")) {
                return ApiError.invalidRequest(417, "expectation_failed", "only Expect: 100-continue is understood");
            }
        }
        return null;
    }

    /** The web server answers what it cannot read as a URI without a body. */
    private static boolean isTarget(String target) {
        try {
            URI ignored = new URI(target.startsWith("/") ? "http://localhost" + target : target);
            return true;
        } catch (URISyntaxException e) {
            return false;
        }
    }

    /** A body comes as it is, or in chunks; every other coding would be taken for the body itself. */
    private static @Nullable ApiError transferCoding(List<String> values) {
        List<String> codings = new ArrayList<>();
        for (String value : values) {
            for (String coding : value.split(",", -1)) {
                codings.add(coding.strip());
            }
        }
        if (codings.isEmpty() || (codings.size() == 1 && isChunked(codings.getFirst()))) {
            return null;
        }
        boolean chunkedAtTheEndOnly =
                codings.stream().filter(HeadRules::isChunked).count() == 1
                        && isChunked(codings.getLast())
                        && codings.stream()
                                .allMatch(coding -> TOKEN.matcher(coding).matches());
        return chunkedAtTheEndOnly
                ? ApiError.invalidRequest(501, "not_implemented", "no Transfer-Encoding but chunked is understood")
                : ApiError.invalidRequest(400, "bad_request", "the Transfer-Encoding must be chunked, once");
    }

    private static boolean isChunked(String coding) {
        return coding.equalsIgnoreCase("chunked");
    }
}
