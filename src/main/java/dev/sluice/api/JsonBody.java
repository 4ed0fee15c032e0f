package dev.sluice.api;

import java.time.Duration;
import java.util.Locale;
import org.springframework.core.io.buffer.DataBufferLimitException;
import org.springframework.core.io.buffer.DataBufferUtils;
import org.springframework.http.HttpHeaders;
import org.springframework.http.MediaType;
import org.springframework.web.reactive.function.server.ServerRequest;
import reactor.core.publisher.Mono;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.exc.StreamConstraintsException;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Reads request bodies: JSON objects of bounded size, depth and number of tokens, and nothing ambiguous. */
final class JsonBody {

    private static final JsonMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(64)
                            .maxTokenCount(2_000_000)
                            .maxNameLength(256)
                            .maxNumberLength(64)
                            .build())
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private JsonBody() {}

    /** The bytes of the body; an error if they are too many, too slow, compressed, or not declared as JSON. */
    static Mono<byte[]> read(ServerRequest request, RequestLimits limits) {
        int bytesMax = limits.bodyBytes();
        HttpHeaders headers = request.headers().asHttpHeaders();
        if (headers.getContentLength() > bytesMax) {
            return Mono.error(tooLarge(bytesMax));
        }
        if (!isJson(request)) {
            return Mono.error(ApiError.invalidRequest(
                            415, "unsupported_media_type", "the body must be sent as Content-Type: application/json")
                    .asException());
        }
        String encoding = headers.getFirst(HttpHeaders.CONTENT_ENCODING);
        if (encoding != null && !encoding.toLowerCase(Locale.ROOT).equals("identity")) {
            return Mono.error(
                    ApiError.invalidRequest(415, "unsupported_media_type", "compressed bodies are not accepted")
                            .asException());
        }
        return DataBufferUtils.join(request.exchange().getRequest().getBody(), bytesMax)
                .map(buffer -> {
                    byte[] bytes = new byte[buffer.readableByteCount()];
                    buffer.read(bytes);
                    DataBufferUtils.release(buffer);
                    return bytes;
                })
                .onErrorMap(DataBufferLimitException.class, e -> tooLarge(bytesMax))
                .timeout(limits.readTimeout(), Mono.error(() -> tooSlow(limits.readTimeout())))
                .defaultIfEmpty(new byte[0]);
    }

    private static boolean isJson(ServerRequest request) {
        return request.headers()
                .contentType()
                .filter(type -> type.isCompatibleWith(MediaType.APPLICATION_JSON) && !type.isWildcardType())
                .isPresent();
    }

    private static ApiException tooLarge(int bytesMax) {
        return ApiError.invalidRequest(413, "request_too_large", "the body may have at most " + bytesMax + " bytes")
                .asException();
    }

    private static ApiException tooSlow(Duration limit) {
        return ApiError.invalidRequest(
                        408, "request_timeout", "the body did not arrive within " + limit.toMillis() + " ms")
                .asException();
    }

    /** Parses a body into the fields of one object. */
    static Fields parse(byte[] bytes) {
        JsonNode node;
        try {
            node = MAPPER.readTree(bytes);
        } catch (StreamConstraintsException e) {
            throw ApiError.invalid(
                            null,
                            "invalid_json",
                            "the body exceeds a limit: 64 levels, 2,000,000 tokens, names of 256 and numbers of 64 characters")
                    .asException();
        } catch (JacksonException e) {
            String where =
                    e.getLocation() == null ? "" : " at line " + e.getLocation().getLineNr();
            throw ApiError.invalid(null, "invalid_json", "the body is not valid JSON" + where + ", or repeats a name")
                    .asException();
        }
        if (!node.isObject()) {
            throw ApiError.invalid(null, "invalid_json", "the body must be a JSON object")
                    .asException();
        }
        return new Fields(node, "");
    }
}
