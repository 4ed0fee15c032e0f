package dev.sluice.api;

import java.util.Arrays;
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

    private ApiRoutes() {}

    public static RouterFunction<ServerResponse> of(FrontDoor door, StatusRoutes status) {
        RouterFunctions.Builder routes = RouterFunctions.route();
        add(routes, HttpMethod.POST, door::chat, "/v1/chat/completions", "/chat/completions");
        add(routes, HttpMethod.POST, door::completion, "/v1/completions", "/completions");
        add(routes, HttpMethod.POST, door::tokenize, "/tokenize", "/v1/tokenize");
        add(routes, HttpMethod.POST, door::detokenize, "/detokenize", "/v1/detokenize");
        add(routes, HttpMethod.GET, status::models, "/v1/models", "/models");
        add(routes, HttpMethod.GET, status::model, "/v1/models/{*id}", "/models/{*id}");
        add(routes, HttpMethod.GET, status::health, "/health");
        add(routes, HttpMethod.GET, status::ready, "/health/ready");
        add(routes, HttpMethod.GET, status::version, "/version");
        add(routes, HttpMethod.GET, status::load, "/load");
        add(routes, HttpMethod.GET, status::metrics, "/metrics");
        routes.GET("/ping", status::health).POST("/ping", status::health);
        return routes.build();
    }

    private static void add(
            RouterFunctions.Builder routes,
            HttpMethod method,
            HandlerFunction<ServerResponse> handler,
            String... paths) {
        for (String path : paths) {
            routes.route(RequestPredicates.method(method).and(RequestPredicates.path(path)), handler);
            routes.route(
                    RequestPredicates.path(path),
                    request -> Mono.error(new MethodNotAllowedException(
                            request.method(),
                            Arrays.asList(
                                    method.equals(HttpMethod.GET)
                                            ? new HttpMethod[] {HttpMethod.GET, HttpMethod.HEAD}
                                            : new HttpMethod[] {HttpMethod.POST}))));
        }
    }
}
