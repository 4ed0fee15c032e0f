package dev.sluice.api;

import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.springframework.http.HttpMethod;
import org.springframework.web.reactive.function.server.HandlerFunction;
import org.springframework.web.reactive.function.server.RequestPredicates;
import org.springframework.web.reactive.function.server.RouterFunction;
import org.springframework.web.reactive.function.server.RouterFunctions;
import org.springframework.web.reactive.function.server.ServerResponse;
import org.springframework.web.server.MethodNotAllowedException;
import reactor.core.publisher.Mono;

/**
 * The table of paths. Each path is there with and without {@code /v1}, since clients disagree on whose part that is; a
 * known path with another method is answered with 405 and what is allowed.
 */
public final class ApiRoutes {

    private record Route(HandlerFunction<ServerResponse> handler, HttpMethod method, List<String> paths) {}

    private ApiRoutes() {}

    private static Route route(HandlerFunction<ServerResponse> handler, HttpMethod method, String... paths) {
        return new Route(handler, method, List.of(paths));
    }

    private static List<Route> table(ApiHandler handler, StatusRoutes status) {
        return List.of(
                route(handler::chat, HttpMethod.POST, "/v1/chat/completions", "/chat/completions"),
                route(handler::completion, HttpMethod.POST, "/v1/completions", "/completions"),
                route(handler::tokenize, HttpMethod.POST, "/tokenize", "/v1/tokenize"),
                route(handler::detokenize, HttpMethod.POST, "/detokenize", "/v1/detokenize"),
                route(status::models, HttpMethod.GET, "/v1/models", "/models"),
                route(status::model, HttpMethod.GET, "/v1/models/{*id}", "/models/{*id}"),
                route(status::health, HttpMethod.GET, "/health"),
                route(status::ready, HttpMethod.GET, "/health/ready"),
                route(status::version, HttpMethod.GET, "/version"),
                route(status::load, HttpMethod.GET, "/load"),
                route(status::metrics, HttpMethod.GET, "/metrics"),
                route(status::health, HttpMethod.GET, "/ping"),
                route(status::health, HttpMethod.POST, "/ping"));
    }

    public static RouterFunction<ServerResponse> of(ApiHandler handler, StatusRoutes status) {
        RouterFunctions.Builder routes = RouterFunctions.route();
        for (Route route : table(handler, status)) {
            for (String path : route.paths()) {
                routes.route(
                        RequestPredicates.method(route.method()).and(RequestPredicates.path(path)), route.handler());
            }
        }
        methods(handler, status)
                .forEach((path, methods) -> routes.route(
                        RequestPredicates.path(path),
                        request -> Mono.error(new MethodNotAllowedException(request.method(), methods))));
        return routes.build();
    }

    /** The methods of each pattern of paths. */
    public static Map<String, Set<HttpMethod>> methods(ApiHandler handler, StatusRoutes status) {
        Map<String, Set<HttpMethod>> methods = new LinkedHashMap<>();
        for (Route route : table(handler, status)) {
            for (String path : route.paths()) {
                Set<HttpMethod> known = methods.computeIfAbsent(path, absent -> new LinkedHashSet<>());
                known.add(route.method());
                if (route.method().equals(HttpMethod.GET)) {
                    known.add(HttpMethod.HEAD);
                }
            }
        }
        return methods;
    }
}
