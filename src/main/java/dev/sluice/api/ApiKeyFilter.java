package dev.sluice.api;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.springframework.core.Ordered;
import org.springframework.http.HttpHeaders;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.WebFilter;
import org.springframework.web.server.WebFilterChain;
import reactor.core.publisher.Mono;

/**
 * Lets only callers with a key through, on the management port as on that of the API. Everything needs the key but a fixed
 * list of exact paths, so no spelling of a path leads around it. Keys are kept as hashes and compared in constant time.
 */
public final class ApiKeyFilter implements WebFilter, Ordered {

    private static final String BEARER = "bearer ";
    private static final int KEY_LENGTH_MAX = 4096;

    private final List<byte[]> hashes = new ArrayList<>();
    private final Predicate<String> open;

    /**
     * @param keys none of them blank; empty lets everybody in
     * @param open the paths that need no key, as the client spells them
     */
    public ApiKeyFilter(Collection<String> keys, Predicate<String> open) {
        this.open = open;
        for (String key : keys) {
            hashes.add(hash(key));
        }
    }

    @Override
    public int getOrder() {
        return HIGHEST_PRECEDENCE + 5;
    }

    @Override
    public Mono<Void> filter(ServerWebExchange exchange, WebFilterChain chain) {
        String path = exchange.getRequest().getPath().value();
        if (hashes.isEmpty() || open.test(path)) {
            return chain.filter(exchange);
        }
        int known = known(key(exchange.getRequest().getHeaders()));
        if (known >= 0) {
            Caller.holdsKey(exchange, known);
            return chain.filter(exchange);
        }
        return ApiErrorWriter.write(
                exchange.getResponse(),
                ApiError.invalidRequest(
                        401, "invalid_api_key", "a valid API key is required: Authorization: Bearer ..."));
    }

    private static @Nullable String key(HttpHeaders headers) {
        List<String> authorization = headers.getOrEmpty(HttpHeaders.AUTHORIZATION);
        if (authorization.size() == 1 && authorization.getFirst().regionMatches(true, 0, BEARER, 0, BEARER.length())) {
            return authorization.getFirst().substring(BEARER.length()).strip();
        }
        return authorization.isEmpty() ? headers.getFirst("x-api-key") : null;
    }

    /** Which key this is, or -1; all of them are compared, so that the time does not tell. */
    private int known(@Nullable String key) {
        if (key == null || key.length() > KEY_LENGTH_MAX) {
            return -1;
        }
        byte[] given = hash(key);
        int known = -1;
        for (int i = 0; i < hashes.size(); i++) {
            known = MessageDigest.isEqual(hashes.get(i), given) ? i : known;
        }
        return known;
    }

    private static byte[] hash(String key) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(key.getBytes(StandardCharsets.UTF_8));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("SHA-256 is part of every JDK", e);
        }
    }
}
