package dev.sluice.api;

import dev.sluice.engine.EngineStatus;
import dev.sluice.engine.EngineStatus.Stage;
import dev.sluice.scheduler.ContinuousBatchingScheduler;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Supplier;
import org.springframework.http.HttpMethod;
import org.springframework.web.reactive.function.server.RequestPredicates;
import org.springframework.web.reactive.function.server.RouterFunction;
import org.springframework.web.reactive.function.server.RouterFunctions;
import org.springframework.web.reactive.function.server.ServerRequest;
import org.springframework.web.reactive.function.server.ServerResponse;
import org.springframework.web.server.MethodNotAllowedException;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Scheduler;

/**
 * vLLM's {@code POST /reset_prefix_cache}: forgets which prompts the KV cache holds, for benchmarks and after weights have
 * changed. There only if the operator wants it. vLLM answers 200 whether or not something was reset; here a cache that is
 * in use is a conflict, so that nobody measures a warm cache unknowingly.
 */
public final class CacheRoutes {

    public static final String PATH = "/reset_prefix_cache";

    private static final Duration RETRY = Duration.ofSeconds(1);
    private static final Set<String> YES = Set.of("true", "1");
    private static final Set<String> NO = Set.of("false", "0");

    private final EngineStatus status;
    private final Supplier<ContinuousBatchingScheduler> scheduler;
    private final Scheduler workers;

    /**
     * @param scheduler asked only once the engine is ready
     * @param workers where the answer is written, since the scheduler's thread has other things to do
     */
    public CacheRoutes(EngineStatus status, Supplier<ContinuousBatchingScheduler> scheduler, Scheduler workers) {
        this.status = status;
        this.scheduler = scheduler;
        this.workers = workers;
    }

    public RouterFunction<ServerResponse> routes() {
        return RouterFunctions.route()
                .POST(PATH, this::reset)
                .route(
                        RequestPredicates.path(PATH),
                        request ->
                                Mono.error(new MethodNotAllowedException(request.method(), List.of(HttpMethod.POST))))
                .build();
    }

    private Mono<ServerResponse> reset(ServerRequest request) {
        boolean preemptRunning = flag(request, "reset_running_requests");
        boolean external = flag(request, "reset_external");
        if (status.stage() != Stage.READY) {
            return Mono.error(StatusRoutes.notReady(status.stage()).asException());
        }
        return Mono.fromFuture(scheduler.get().resetPrefixCache(preemptRunning, external), true)
                .publishOn(workers)
                .onErrorMap(
                        RejectedExecutionException.class,
                        e -> ApiError.tooMany("too many calls are waiting; try again later", RETRY)
                                .asException())
                .flatMap(done -> done
                        ? ServerResponse.ok().build()
                        : Mono.error(ApiError.invalidRequest(
                                        409,
                                        "prefix_cache_in_use",
                                        "requests hold KV blocks, so nothing was reset; try again when none runs, or"
                                                + " with reset_running_requests=true, which has them computed anew")
                                .asException()));
    }

    private static boolean flag(ServerRequest request, String name) {
        String value = request.queryParam(name).orElse("false").toLowerCase(Locale.ROOT);
        if (!YES.contains(value) && !NO.contains(value)) {
            throw ApiError.invalidValue(name, "must be true or false").asException();
        }
        return YES.contains(value);
    }
}
