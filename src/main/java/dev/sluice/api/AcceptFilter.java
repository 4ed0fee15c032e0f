package dev.sluice.api;

import org.springframework.core.Ordered;
import org.springframework.http.HttpHeaders;
import org.springframework.http.InvalidMediaTypeException;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.WebFilter;
import org.springframework.web.server.WebFilterChain;
import reactor.core.publisher.Mono;

/**
 * Takes an Accept header away that cannot be read or names too many types, as if none had been sent. No answer of the
 * API depends on it, and the framework fails at what it cannot read.
 */
public final class AcceptFilter implements WebFilter, Ordered {

    private static final int TYPES_MAX = 50; // the framework refuses to sort more

    @Override
    public int getOrder() {
        return HIGHEST_PRECEDENCE + 1;
    }

    @Override
    public Mono<Void> filter(ServerWebExchange exchange, WebFilterChain chain) {
        return isReadable(exchange.getRequest().getHeaders())
                ? chain.filter(exchange)
                : chain.filter(exchange.mutate()
                        .request(request -> request.headers(headers -> headers.remove(HttpHeaders.ACCEPT)))
                        .build());
    }

    private static boolean isReadable(HttpHeaders headers) {
        try {
            return headers.getAccept().size() <= TYPES_MAX;
        } catch (InvalidMediaTypeException e) {
            return false;
        }
    }
}
