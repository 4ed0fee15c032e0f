package dev.sluice.api;

import org.springframework.core.Ordered;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.WebFilter;
import org.springframework.web.server.WebFilterChain;
import reactor.core.publisher.Mono;

/** Gives every exchange its {@link CallLife}, and ends it with the exchange: completed, failed or cancelled. */
public final class CallLifeFilter implements WebFilter, Ordered {

    @Override
    public int getOrder() {
        return HIGHEST_PRECEDENCE + 10; // behind those that refuse by the head alone
    }

    @Override
    public Mono<Void> filter(ServerWebExchange exchange, WebFilterChain chain) {
        return Mono.using(() -> CallLife.begin(exchange), life -> chain.filter(exchange), CallLife::end);
    }
}
