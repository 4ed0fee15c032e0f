package dev.sluice.api;

import org.springframework.core.Ordered;
import org.springframework.http.HttpHeaders;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.WebFilter;
import org.springframework.web.server.WebFilterChain;
import reactor.core.publisher.Mono;

/** Refuses what the standard lets nobody guess: two hosts, and expectations that nobody here can meet (RFC 9110, 9112). */
public final class AmbiguousHeadFilter implements WebFilter, Ordered {

    @Override
    public int getOrder() {
        return HIGHEST_PRECEDENCE + 1;
    }

    @Override
    public Mono<Void> filter(ServerWebExchange exchange, WebFilterChain chain) {
        HttpHeaders headers = exchange.getRequest().getHeaders();
        if (headers.getOrEmpty(HttpHeaders.HOST).size() > 1) {
            return ApiErrorWriter.write(
                    exchange.getResponse(),
                    ApiError.invalidRequest(400, "ambiguous_host", "the Host header may be sent only once"));
        }
        String expectation = headers.getFirst(HttpHeaders.EXPECT);
        if (expectation != null && !expectation.equalsIgnoreCase("100-continue")) {
            return ApiErrorWriter.write(
                    exchange.getResponse(),
                    ApiError.invalidRequest(417, "expectation_failed", "only Expect: 100-continue is understood"));
        }
        return chain.filter(exchange);
    }
}
