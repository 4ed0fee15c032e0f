package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.SluiceApplication;
import dev.sluice.executor.ModelExecutor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.boot.SpringApplication;
import org.springframework.context.ConfigurableApplicationContext;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A started server and a plain client for it. */
final class RunningServer implements AutoCloseable {

    private final ConfigurableApplicationContext context;
    private final HttpClient client = HttpClient.newHttpClient();
    final String base;
    final String management;

    RunningServer(String... arguments) {
        this(beans -> {}, arguments);
    }

    /** With beans of the test's own beside or around those of the server. */
    RunningServer(Consumer<ConfigurableListableBeanFactory> prepare, String... arguments) {
        List<String> all = new ArrayList<>(List.of(
                "--server.port=0",
                "--management.server.port=0",
                "--sluice.kv.memory=64MB",
                "--logging.level.root=warn"));
        all.addAll(List.of(arguments));
        SpringApplication application = new SpringApplication(SluiceApplication.class);
        application.addInitializers(fresh -> prepare.accept(fresh.getBeanFactory()));
        context = application.run(all.toArray(String[]::new));
        base = "http://localhost:" + context.getEnvironment().getProperty("local.server.port");
        management = "http://localhost:" + context.getEnvironment().getProperty("local.management.port");
        await(() -> get("/health/ready").statusCode() == 200);
    }

    /** Puts something between the engine and its executor. */
    static Consumer<ConfigurableListableBeanFactory> withExecutor(UnaryOperator<ModelExecutor> between) {
        return beans -> beans.addBeanPostProcessor(new BeanPostProcessor() {
            @Override
            public Object postProcessAfterInitialization(Object bean, String name) {
                return bean instanceof ModelExecutor executor ? between.apply(executor) : bean;
            }
        });
    }

    <T> T bean(Class<T> type) {
        return context.getBean(type);
    }

    /** A condition that something else brings about, looked at until it holds. */
    static void await(java.util.function.BooleanSupplier condition) {
        long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("the condition did not come true within a minute");
            }
            Thread.onSpinWait();
            java.util.concurrent.locks.LockSupport.parkNanos(5_000_000);
        }
    }

    HttpResponse<String> get(String path) {
        return send(HttpRequest.newBuilder(URI.create(base + path)).build());
    }

    HttpResponse<String> getAt(String url) {
        return send(HttpRequest.newBuilder(URI.create(url)).build());
    }

    HttpResponse<String> post(String path, String body, String... headers) {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(base + path))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body));
        if (headers.length > 0) {
            request.headers(headers);
        }
        return send(request.build());
    }

    HttpResponse<String> send(HttpRequest request) {
        try {
            return client.send(request, HttpResponse.BodyHandlers.ofString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    HttpClient client() {
        return client;
    }

    static JsonNode json(String text) {
        return JsonMapper.shared().readTree(text);
    }

    /** Sum of all series of a metric whose labels contain the given text. */
    double metric(String name, String labels) {
        return metric(get("/metrics").body(), name, labels);
    }

    /** The value of a metric without labels. */
    double metric(String name) {
        Matcher line = Pattern.compile("(?m)^" + Pattern.quote(name) + " (\\S+)$")
                .matcher(get("/metrics").body());
        return line.find() ? Double.parseDouble(line.group(1)) : 0;
    }

    /** In one scrape, since more may be counted until the next, the tokens of all sources are all tokens of prompts. */
    void checkThatSourcesAddUp() {
        String page = get("/metrics").body();
        assertThat(metric(page, "vllm:prompt_tokens_by_source_total", ""))
                .isEqualTo(metric(page, "vllm:prompt_tokens_total", ""));
    }

    private static double metric(String page, String name, String labels) {
        Matcher line = Pattern.compile("(?m)^" + Pattern.quote(name) + "\\{([^}]*)} (\\S+)$")
                .matcher(page);
        double sum = 0;
        while (line.find()) {
            if (line.group(1).contains(labels)) {
                sum += Double.parseDouble(line.group(2));
            }
        }
        return sum;
    }

    @Override
    public void close() {
        context.close();
    }
}
