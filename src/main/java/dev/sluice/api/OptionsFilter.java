package dev.sluice.api;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.springframework.core.Ordered;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpMethod;
import org.springframework.http.HttpStatus;
import org.springframework.http.server.PathContainer;
import org.springframework.http.server.reactive.ServerHttpResponse;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.WebFilter;
import org.springframework.web.server.WebFilterChain;
import org.springframework.web.util.pattern.PathPattern;
import org.springframework.web.util.pattern.PathPatternParser;
import reactor.core.publisher.Mono;

/**
 * Answers OPTIONS for everybody, with a key or without: which methods a path has is in the documentation. There are no
 * headers of CORS in the answer, so a browser takes it for a refusal of other origins.
 */
public final class OptionsFilter implements WebFilter, Ordered {

    private record Path(PathPattern pattern, Set<HttpMethod> methods) {}

    private final List<Path> paths;

    /** @param methods the methods of each pattern of paths */
    public OptionsFilter(Map<String, Set<HttpMethod>> methods) {
        paths = methods.entrySet().stream()
                .map(entry -> new Path(PathPatternParser.defaultInstance.parse(entry.getKey()), entry.getValue()))
                .toList();
    }

    @Override
    public int getOrder() {
        return HIGHEST_PRECEDENCE + 4; // before the key is asked for
    }

    @Override
    public Mono<Void> filter(ServerWebExchange exchange, WebFilterChain chain) {
        if (!HttpMethod.OPTIONS.equals(exchange.getRequest().getMethod())) {
            return chain.filter(exchange);
        }
        PathContainer path = exchange.getRequest().getPath().pathWithinApplication();
        ServerHttpResponse response = exchange.getResponse();
        return paths.stream()
                .filter(known -> known.pattern().matches(path))
                .findFirst()
                .map(known -> answer(response, known.methods()))
                .orElseGet(() -> ApiErrorWriter.write(response, ApiError.unknownUrl()));
    }

    static Mono<Void> answer(ServerHttpResponse response, Collection<HttpMethod> methods) {
        response.setStatusCode(HttpStatus.NO_CONTENT);
        response.getHeaders()
                .set(
                        HttpHeaders.ALLOW,
                        methods.stream().map(HttpMethod::name).sorted().collect(Collectors.joining(", ")));
        return response.setComplete();
    }
}
