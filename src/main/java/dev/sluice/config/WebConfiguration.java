package dev.sluice.config;

import dev.sluice.admission.AdmissionControl;
import dev.sluice.api.AcceptFilter;
import dev.sluice.api.AnswerWorkers;
import dev.sluice.api.ApiErrorHandler;
import dev.sluice.api.ApiHandler;
import dev.sluice.api.ApiKeyFilter;
import dev.sluice.api.ApiRoutes;
import dev.sluice.api.CacheRoutes;
import dev.sluice.api.CallLifeFilter;
import dev.sluice.api.DoubleSlashFilter;
import dev.sluice.api.MetricsScrape;
import dev.sluice.api.OptionsFilter;
import dev.sluice.api.RequestIdFilter;
import dev.sluice.api.RequestLimits;
import dev.sluice.api.StatusRoutes;
import dev.sluice.api.TextLimits;
import dev.sluice.api.TextWork;
import dev.sluice.api.connection.Connections;
import dev.sluice.api.connection.LogGate;
import dev.sluice.api.connection.OpenConnections;
import dev.sluice.engine.EngineState;
import dev.sluice.metrics.HttpMeters;
import dev.sluice.metrics.TextMeters;
import dev.sluice.runtime.Clock;
import dev.sluice.runtime.FairPool;
import dev.sluice.runtime.Threads;
import dev.sluice.scheduler.ContinuousBatchingScheduler;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.security.SecureRandom;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.actuate.endpoint.web.PathMappedEndpoints;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBooleanProperty;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.http.HttpMethod;
import org.springframework.web.reactive.function.server.RouterFunction;
import org.springframework.web.reactive.function.server.ServerResponse;
import reactor.core.scheduler.Schedulers;

/** The HTTP side: routes, filters, errors, and the small pool behind them. */
@Configuration(proxyBeanMethods = false)
class WebConfiguration {

    @Bean(destroyMethod = "close")
    FairPool promptPool(SluiceProperties properties) {
        return new FairPool(
                "sluice-prompts",
                textThreads(properties),
                properties.tokenizer().queue());
    }

    @Bean
    TextWork textWork(FairPool promptPool, SluiceProperties properties, MeterRegistry registry) {
        SluiceProperties.Tokenizer settings = properties.tokenizer();
        long largest = 2 * properties.api().maxBody().toBytes(); // no caller has more than half of the memory
        long memory = settings.queueMemory().toBytes();
        if (memory == 0) {
            memory = Math.max(largest, Runtime.getRuntime().maxMemory() / 8);
        } else if (memory < largest) {
            throw new IllegalSettingException(
                    "sluice.tokenizer.queue-memory must be at least twice sluice.api.max-body");
        }
        TextLimits limits =
                new TextLimits(settings.maxText().toBytes(), settings.maxTokens(), settings.timeout(), memory);
        TextWork work = new TextWork(promptPool, limits);
        TextMeters.register(registry, work);
        return work;
    }

    /** A call has at most one task here, so that none is refused once it is admitted. */
    @Bean(destroyMethod = "shutdown")
    ExecutorService answerPool(SluiceProperties properties) {
        return Threads.boundedPool("sluice-answers", textThreads(properties), calls(properties));
    }

    @Bean(destroyMethod = "shutdown")
    ExecutorService largeAnswerPool(SluiceProperties properties) {
        return Threads.boundedPool("sluice-large-answers", 1, calls(properties));
    }

    private static int calls(SluiceProperties properties) {
        long calls = (long) properties.scheduler().maxSequences()
                + properties.admission().maxQueuedRequests();
        return (int) Math.min(calls, Integer.MAX_VALUE);
    }

    private static int textThreads(SluiceProperties properties) {
        int threads = properties.tokenizer().threads();
        return Math.max(2, threads > 0 ? threads : Runtime.getRuntime().availableProcessors());
    }

    @Bean
    ApiHandler apiHandler(
            SluiceProperties properties,
            EngineState state,
            TextWork textWork,
            ExecutorService answerPool,
            ExecutorService largeAnswerPool,
            Clock clock) {
        SluiceProperties.Api api = properties.api();
        RequestLimits limits = new RequestLimits(
                Math.toIntExact(api.maxBody().toBytes()),
                api.readTimeout(),
                api.writeTimeout(),
                api.maxChoices(),
                api.maxPrompts(),
                api.maxSequencesPerCall(),
                AnswerMemory.of(properties).perCall(),
                properties.admission().queueTimeout(),
                properties.admission().requestTimeout(),
                api.heartbeatAfter());
        SecureRandom seeds = new SecureRandom();
        AnswerWorkers answerWorkers = new AnswerWorkers(
                Schedulers.fromExecutorService(answerPool), Schedulers.fromExecutorService(largeAnswerPool));
        return new ApiHandler(limits, state, textWork, answerWorkers, seeds::nextLong, clock);
    }

    @Bean
    MetricsScrape metricsScrape(PrometheusMeterRegistry registry) {
        return accept -> new MetricsScrape.Page("text/plain; version=0.0.4; charset=utf-8", registry.scrape());
    }

    @Bean
    StatusRoutes statusRoutes(
            ApiHandler handler, EngineState state, MetricsScrape metrics, ObjectProvider<AdmissionControl> admission) {
        return new StatusRoutes(
                handler,
                state,
                metrics,
                () -> handler.isOpen() ? admission.getObject().sequences() : 0,
                EngineInitializer.version());
    }

    @Bean
    RouterFunction<ServerResponse> apiRoutes(ApiHandler handler, StatusRoutes status) {
        return ApiRoutes.of(handler, status);
    }

    @Bean
    @ConditionalOnBooleanProperty("sluice.api.reset-prefix-cache")
    RouterFunction<ServerResponse> cacheRoutes(
            EngineState state, ObjectProvider<ContinuousBatchingScheduler> scheduler, ExecutorService answerPool) {
        return new CacheRoutes(state, scheduler::getObject, Schedulers.fromExecutorService(answerPool)).routes();
    }

    @Bean
    ApiErrorHandler apiErrorHandler(Clock clock) {
        return new ApiErrorHandler(clock);
    }

    @Bean
    LogGate logGate(Clock clock) {
        return LogGate.install(clock);
    }

    @Bean
    Connections apiConnections(OpenConnections all, SluiceProperties properties, MeterRegistry registry) {
        Connections connections = new Connections(
                all,
                properties.api().readTimeout(),
                ConnectionLimits.ofApi(properties.api()),
                HttpMeters.refusals(registry, "api"));
        HttpMeters.watch(registry, "api", connections);
        return connections;
    }

    @Bean
    OpenConnections openConnections(SluiceProperties properties, MeterRegistry registry) {
        return new OpenConnections(properties.api().writeTimeout(), HttpMeters.stalledReaders(registry));
    }

    @Bean
    CallLifeFilter callLifeFilter() {
        return new CallLifeFilter();
    }

    @Bean
    AcceptFilter acceptFilter() {
        return new AcceptFilter();
    }

    @Bean
    RequestIdFilter requestIdFilter() {
        return new RequestIdFilter();
    }

    @Bean
    DoubleSlashFilter doubleSlashFilter() {
        return new DoubleSlashFilter();
    }

    @Bean
    OptionsFilter optionsFilter(ApiHandler handler, StatusRoutes status, SluiceProperties properties) {
        Map<String, Set<HttpMethod>> methods = new LinkedHashMap<>(ApiRoutes.methods(handler, status));
        for (String probe : List.of("/livez", "/readyz")) {
            methods.put(probe, Set.of(HttpMethod.GET, HttpMethod.HEAD));
        }
        if (properties.api().resetPrefixCache()) {
            methods.put(CacheRoutes.PATH, Set.of(HttpMethod.POST));
        }
        return new OptionsFilter(methods);
    }

    @Bean
    ApiKeyFilter apiKeyFilter(SluiceProperties properties, ObjectProvider<PathMappedEndpoints> endpoints) {
        SluiceProperties.Api api = properties.api();
        return new ApiKeyFilter(ApiKeys.read(api), new OpenPaths(api.metricsNeedKey(), endpoints));
    }
}
