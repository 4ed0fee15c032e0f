package dev.sluice.api;

import java.util.Collection;
import java.util.List;
import java.util.function.Supplier;
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

    private final Supplier<Collection<String>> paths;

    /** @param paths of the endpoints; what is below them is theirs too */
    public ManagementFilter(Supplier<Collection<String>> paths) {
        this.paths = paths;
    }

    @Override
    public int getOrder() {
        return HIGHEST_PRECEDENCE + 3; // before anything else knows the path
    }

    @Override
    public Mono<Void> filter(ServerWebExchange exchange, WebFilterChain chain) {
        String path = exchange.getRequest().getPath().value();
        if (paths.get().stream().noneMatch(listed -> path.equals(listed) || path.startsWith(listed + "/"))) {
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
