package dev.sluice.api;

import dev.sluice.engine.EngineStatus;
import dev.sluice.engine.EngineStatus.Stage;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntSupplier;
import org.jspecify.annotations.Nullable;
import org.springframework.http.MediaType;
import org.springframework.web.reactive.function.server.ServerRequest;
import org.springframework.web.reactive.function.server.ServerResponse;
import reactor.core.publisher.Mono;

/** The handlers that say how the server is and what it serves. None of them waits for the engine. */
public final class StatusRoutes {

    private static final Duration LOADING_RETRY = Duration.ofSeconds(2);

    private final ApiHandler handler;
    private final EngineStatus status;
    private final MetricsScrape metrics;
    private final IntSupplier load;
    private final String version;

    /** @param load sequences running and waiting */
    public StatusRoutes(
            ApiHandler handler, EngineStatus status, MetricsScrape metrics, IntSupplier load, String version) {
        this.handler = handler;
        this.status = status;
        this.metrics = metrics;
        this.load = load;
        this.version = version;
    }

    static ApiError notReady(Stage stage) {
        return switch (stage) {
            case LOADING, WARMING_UP ->
                ApiError.unavailable("model_loading", "the model is still being loaded", LOADING_RETRY);
            case DRAINING -> ApiError.unavailable("draining", "the server is shutting down", LOADING_RETRY);
            case READY, DEAD -> ApiError.unavailable("engine_unavailable", "the engine is not running", LOADING_RETRY);
        };
    }

    Mono<ServerResponse> health(ServerRequest request) {
        Stage stage = status.stage();
        if (stage == Stage.READY || stage == Stage.DRAINING) {
            return json(200, Map.of("status", "ok"));
        }
        return Mono.error(notReady(stage).asException());
    }

    Mono<ServerResponse> ready(ServerRequest request) {
        Stage stage = status.stage();
        Map<String, Object> body = new LinkedHashMap<>();
        boolean ready = status.isReady();
        body.put(
                "status",
                stage == Stage.READY && !ready ? "failing" : stage.name().toLowerCase(Locale.ROOT));
        body.put("progress", status.progress());
        return json(ready ? 200 : 503, body);
    }

    Mono<ServerResponse> version(ServerRequest request) {
        return json(200, Map.of("version", version));
    }

    Mono<ServerResponse> load(ServerRequest request) {
        return json(200, Map.of("server_load", load.getAsInt()));
    }

    Mono<ServerResponse> metrics(ServerRequest request) {
        MetricsScrape.Page page = metrics.scrape(request.headers().firstHeader("Accept"));
        return ApiHandler.text(200, MediaType.parseMediaType(page.contentType()), page.body());
    }

    Mono<ServerResponse> models(ServerRequest request) {
        ServedModel model = handler.model();
        if (model == null) {
            return Mono.error(notReady(status.stage()).asException());
        }
        List<Object> data = new ArrayList<>();
        model.names().forEach(name -> data.add(entry(model, name)));
        Map<String, Object> body = new LinkedHashMap<>();
        body.put("object", "list");
        body.put("data", data);
        return json(200, body);
    }

    Mono<ServerResponse> model(ServerRequest request) {
        ServedModel model = handler.model();
        if (model == null) {
            return Mono.error(notReady(status.stage()).asException());
        }
        String id = request.pathVariable("id").replaceFirst("^/", "");
        return model.names().contains(id)
                ? json(200, entry(model, id))
                : Mono.error(ApiError.modelNotFound(id).asException());
    }

    private static Object entry(ServedModel model, String name) {
        Map<String, @Nullable Object> entry = new LinkedHashMap<>();
        entry.put("id", name);
        entry.put("object", "model");
        entry.put("created", model.created());
        entry.put("owned_by", "sluice");
        entry.put("root", model.name());
        entry.put("parent", name.equals(model.name()) ? null : model.name());
        entry.put("max_model_len", model.contextLength());
        entry.put("permission", List.of());
        return entry;
    }

    private static Mono<ServerResponse> json(int status, Object body) {
        return ServerResponse.status(status)
                .contentType(MediaType.APPLICATION_JSON)
                .header("Cache-Control", "no-cache")
                .bodyValue(ApiJson.bytes(body));
    }
}
