package dev.sluice.api;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.IntPredicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.springframework.core.io.buffer.DataBuffer;
import org.springframework.core.io.buffer.DataBufferLimitException;
import org.springframework.core.io.buffer.DataBufferUtils;
import org.springframework.http.HttpHeaders;
import org.springframework.http.InvalidMediaTypeException;
import org.springframework.http.MediaType;
import org.springframework.web.reactive.function.server.ServerRequest;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.TokenStreamFactory;
import tools.jackson.core.exc.StreamConstraintsException;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Reads request bodies: JSON objects of bounded size, depth and number of tokens, in strict UTF-8, and nothing ambiguous.
 * Nothing that a body contains outlives its call.
 */
final class JsonBody {

    private static final int NAMES_MAX = 4096; // in one object
    private static final int CHECKED_AT_ONCE = 8192;

    /**
     * Names are not canonicalized: the parser would keep them in a table that all calls share, and names that were chosen
     * to have equal hashes fill it for everybody.
     */
    private static final JsonMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    .disable(TokenStreamFactory.Feature.CANONICALIZE_PROPERTY_NAMES)
                    .disable(TokenStreamFactory.Feature.INTERN_PROPERTY_NAMES)
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

    /**
     * The bytes of the body; an error if they are too many, too slow, compressed, or not declared as JSON.
     *
     * @param keep says whether so many bytes more may be kept
     * @param full the error if they may not; the rest is read first, since a client that still sends hears no answer
     */
    static Mono<byte[]> read(
            ServerRequest request, RequestLimits limits, IntPredicate keep, Supplier<ApiException> full) {
        int bytesMax = limits.bodyBytes();
        HttpHeaders headers = request.headers().asHttpHeaders();
        if (headers.getContentLength() > bytesMax) {
            return Mono.error(tooLarge(bytesMax));
        }
        String notAccepted = notAccepted(headers);
        if (notAccepted != null) {
            return Mono.error(ApiError.invalidRequest(415, "unsupported_media_type", notAccepted)
                    .asException());
        }
        AtomicLong dropped = new AtomicLong();
        Flux<DataBuffer> body = request.exchange().getRequest().getBody().filter(buffer -> {
            int count = buffer.readableByteCount();
            if (dropped.get() == 0 && keep.test(count)) {
                return true;
            }
            if (dropped.addAndGet(count) > bytesMax) {
                throw tooLarge(bytesMax);
            }
            return false; // what is left out is released by join
        });
        return DataBufferUtils.join(body, bytesMax)
                .map(buffer -> {
                    byte[] bytes = new byte[buffer.readableByteCount()];
                    buffer.read(bytes);
                    DataBufferUtils.release(buffer);
                    return bytes;
                })
                .onErrorMap(DataBufferLimitException.class, e -> tooLarge(bytesMax))
                .timeout(limits.readTimeout(), Mono.error(() -> tooSlow(limits.readTimeout())))
                .defaultIfEmpty(new byte[0])
                .flatMap(bytes -> dropped.get() == 0 ? Mono.just(bytes) : Mono.error(full.get()));
    }

    /** What is wrong with the declared form of the body, or null. */
    private static @Nullable String notAccepted(HttpHeaders headers) {
        for (String encoding : headers.getOrEmpty(HttpHeaders.CONTENT_ENCODING)) {
            if (!encoding.strip().equalsIgnoreCase("identity")) {
                return "compressed bodies are not accepted";
            }
        }
        List<String> types = headers.getOrEmpty(HttpHeaders.CONTENT_TYPE);
        try {
            MediaType type = types.size() == 1 ? MediaType.parseMediaType(types.getFirst()) : null;
            if (type == null || !type.equalsTypeAndSubtype(MediaType.APPLICATION_JSON)) {
                return "the body must be sent as Content-Type: application/json";
            }
            boolean utf8 = type.getCharset() == null || type.getCharset().equals(StandardCharsets.UTF_8);
            return utf8 ? null : "the body must be JSON in UTF-8, which is the only charset";
        } catch (InvalidMediaTypeException e) {
            return "the Content-Type cannot be read; it must be application/json, and a charset only utf-8";
        }
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
        JsonNode node = tree(text(bytes));
        if (!node.isObject()) {
            throw invalid("the body must be a JSON object");
        }
        return new Fields(node, "");
    }

    /** The text of a body. Overlong forms, halves of surrogate pairs and what is beyond U+10FFFF are no UTF-8. */
    private static String text(byte[] bytes) {
        CharsetDecoder decoder = StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT);
        ByteBuffer in = ByteBuffer.wrap(bytes);
        CharBuffer out = CharBuffer.allocate(CHECKED_AT_ONCE);
        CoderResult result;
        do {
            out.clear();
            result = decoder.decode(in, out, true);
        } while (result.isOverflow());
        if (result.isError()) {
            throw invalid("the body is not valid UTF-8 at byte " + in.position() + "; it must be JSON in UTF-8");
        }
        for (int i = 0; i < Math.min(bytes.length, 4); i++) {
            if (bytes[i] == 0) { // as every JSON text in UTF-16 or UTF-32 has it, and none in UTF-8
                throw invalid("the body must be JSON in UTF-8, not UTF-16 or UTF-32");
            }
        }
        String text = new String(bytes, StandardCharsets.UTF_8);
        if (text.startsWith("\ufeff")) {
            throw invalid("the body must not begin with a byte order mark");
        }
        return text;
    }

    /**
     * Parses JSON under the limits of bodies.
     *
     * @throws ApiException if the text breaks a limit, is no JSON, or spells text that is no Unicode
     */
    static JsonNode tree(String text) {
        JsonNode node;
        try {
            node = MAPPER.readTree(text);
        } catch (StreamConstraintsException e) {
            throw invalid(
                    "the body exceeds a limit: 64 levels, 2,000,000 tokens, names of 256 and numbers of 64 characters");
        } catch (JacksonException e) {
            String where =
                    e.getLocation() == null ? "" : " at line " + e.getLocation().getLineNr();
            throw invalid("the body is not valid JSON" + where + ", or repeats a name");
        }
        String path = halfCharacter(node);
        if (path != null) {
            throw ApiError.invalidValue(ApiError.shortened(path), "contains half a character (a lone surrogate)")
                    .asException();
        }
        return node;
    }

    /**
     * Where a text is half a character, or null. All members are looked at, known and unknown, since escapes can spell what
     * UTF-8 cannot. The path is put together on the way back only: its length times the number of nodes is not bounded.
     */
    private static @Nullable String halfCharacter(JsonNode node) {
        if (node.isString()) {
            return Fields.hasHalfCharacter(node.stringValue()) ? "" : null;
        }
        if (node.isObject()) {
            if (node.size() > NAMES_MAX) {
                throw invalid("an object may have at most " + NAMES_MAX + " names");
            }
            for (Map.Entry<String, JsonNode> member : node.properties()) {
                if (Fields.hasHalfCharacter(member.getKey())) {
                    throw invalid("a name contains half a character (a lone surrogate)");
                }
                String below = halfCharacter(member.getValue());
                if (below != null) {
                    return member.getKey() + (below.isEmpty() || below.startsWith("[") ? "" : ".") + below;
                }
            }
        } else {
            for (int i = 0; i < node.size(); i++) {
                String below = halfCharacter(node.get(i));
                if (below != null) {
                    return "[" + i + "]" + (below.isEmpty() || below.startsWith("[") ? "" : ".") + below;
                }
            }
        }
        return null;
    }

    private static ApiException invalid(String message) {
        return ApiError.invalid(null, "invalid_json", message).asException();
    }
}
