package dev.sluice.api;

import java.util.List;
import java.util.function.Predicate;
import org.springframework.core.Ordered;
import org.springframework.http.HttpMethod;
import org.springframework.web.server.MethodNotAllowedException;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.WebFilter;
import org.springframework.web.server.WebFilterChain;
import reactor.core.publisher.Mono;

/**
 * For the management port: lets only reading of the endpoints through that are listed there. The framework would serve
 * the API's routes on this port as well.
 */
public final class ManagementFilter implements WebFilter, Ordered {

    private static final List<HttpMethod> READS = List.of(HttpMethod.GET, HttpMethod.HEAD);

    private final Predicate<String> listed;

    /** @param listed true for the paths of the endpoints, as the client spells them */
    public ManagementFilter(Predicate<String> listed) {
        this.listed = listed;
    }

    @Override
    public int getOrder() {
        return HIGHEST_PRECEDENCE + 3; // before anything else knows the path
    }

    @Override
    public Mono<Void> filter(ServerWebExchange exchange, WebFilterChain chain) {
        if (!listed.test(exchange.getRequest().getPath().value())) {
            return ApiErrorWriter.write(exchange.getResponse(), ApiError.unknownUrl());
        }
        HttpMethod method = exchange.getRequest().getMethod();
        if (method.equals(HttpMethod.OPTIONS)) {
            return OptionsFilter.answer(exchange.getResponse(), READS);
        }
        return READS.contains(method)
                ? chain.filter(exchange)
                : Mono.error(new MethodNotAllowedException(method, READS));
    }
}
