package dev.sluice.sweep;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Sends cells of requests to a server and adds up what it says of them. */
final class SweepClient {

    private static final int PREFIXES = 12;
    private static final int TOKEN_MIN = 100;
    private static final int TOKEN_MAX = 6000;

    /**
     * Requests of one kind.
     *
     * @param sharedPercent how much of each prompt it shares with others; which others is drawn with Zipf's law
     */
    record Cell(int prompt, int output, int sharedPercent, int clients, int requests) {}

    /** The sums of the answers' usage. */
    record Told(
            int requests,
            long prompt,
            long output,
            long device,
            long host,
            long storage,
            double seconds,
            double medianFirstMillis) {

        long computed() {
            return prompt - device - host - storage;
        }
    }

    private record Answer(JsonNode usage, double firstMillis) {

        long count(String pointer) {
            return usage.at(pointer).asLong();
        }
    }

    private final String url;
    private final HttpClient http = HttpClient.newHttpClient();
    private final Random random = new Random(1);

    SweepClient(String url) {
        this.url = url;
    }

    void awaitReady() throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.MINUTES.toNanos(2);
        while (status("/health/ready") != 200) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException("the server at " + url + " does not become ready");
            }
            Thread.sleep(50);
        }
    }

    private int status(String path) throws InterruptedException {
        try {
            return get(path).statusCode();
        } catch (IOException e) {
            return -1;
        }
    }

    Counts counts() throws IOException, InterruptedException {
        return Counts.of(get("/metrics").body());
    }

    /** Waits until nothing runs and no copy is under way. */
    void awaitIdle() throws IOException, InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.MINUTES.toNanos(1);
        for (Counts now = counts(); now.get("running") + now.get("jobs") + now.get("pinned") > 0; now = counts()) {
            if (System.nanoTime() > deadline) {
                throw new Disagreement("nothing is asked, but the server is not idle: " + now.values());
            }
            Thread.sleep(20);
        }
    }

    Told run(Cell cell) throws Exception {
        int[][] prefixes = new int[PREFIXES][];
        for (int i = 0; i < PREFIXES; i++) {
            prefixes[i] = tokens(cell.prompt() * cell.sharedPercent() / 100);
        }
        List<Callable<Answer>> calls = new ArrayList<>();
        for (int i = 0; i < cell.requests(); i++) {
            int[] prompt = tokens(cell.prompt());
            int[] prefix = prefixes[zipf()];
            System.arraycopy(prefix, 0, prompt, 0, prefix.length);
            calls.add(() -> ask(prompt, cell.output()));
        }
        long start = System.nanoTime();
        List<Answer> answers = new ArrayList<>();
        try (ExecutorService clients = Executors.newFixedThreadPool(cell.clients())) {
            for (Future<Answer> answer : clients.invokeAll(calls)) {
                answers.add(answer.get());
            }
        }
        return sum(answers, (System.nanoTime() - start) * 1e-9);
    }

    private static Told sum(List<Answer> answers, double seconds) {
        String tier = "/prompt_tokens_details/cached_tokens_details/";
        double[] first =
                answers.stream().mapToDouble(Answer::firstMillis).sorted().toArray();
        return new Told(
                answers.size(),
                sum(answers, "/prompt_tokens"),
                sum(answers, "/completion_tokens"),
                sum(answers, tier + "device"),
                sum(answers, tier + "host"),
                sum(answers, tier + "storage"),
                seconds,
                first[first.length / 2]);
    }

    private static long sum(List<Answer> answers, String pointer) {
        return answers.stream().mapToLong(answer -> answer.count(pointer)).sum();
    }

    private int[] tokens(int count) {
        return random.ints(count, TOKEN_MIN, TOKEN_MAX).toArray();
    }

    /** Number k with a probability proportional to 1/(k+1). */
    private int zipf() {
        double sum = 0;
        for (int k = 1; k <= PREFIXES; k++) {
            sum += 1.0 / k;
        }
        double drawn = random.nextDouble() * sum;
        int k = 0;
        for (drawn -= 1; drawn > 0 && k < PREFIXES - 1; drawn -= 1.0 / (k + 1)) {
            k++;
        }
        return k;
    }

    private Answer ask(int[] prompt, int output) throws IOException, InterruptedException {
        Map<String, Object> body = Map.of(
                "prompt",
                Arrays.stream(prompt).boxed().toList(),
                "min_tokens",
                output,
                "max_tokens",
                output,
                "temperature",
                0,
                "stream",
                true,
                "stream_options",
                Map.of("include_usage", true));
        HttpRequest request = HttpRequest.newBuilder(URI.create(url + "/v1/completions"))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(JsonMapper.shared().writeValueAsString(body)))
                .build();
        long start = System.nanoTime();
        HttpResponse<InputStream> response = http.send(request, HttpResponse.BodyHandlers.ofInputStream());
        double first = 0;
        JsonNode usage = null;
        try (BufferedReader lines =
                new BufferedReader(new InputStreamReader(response.body(), StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (first == 0) {
                    first = (System.nanoTime() - start) * 1e-6;
                }
                if (line.startsWith("data: {")) {
                    JsonNode chunk = JsonMapper.shared().readTree(line.substring("data: ".length()));
                    usage = chunk.get("usage") != null && chunk.get("usage").isObject() ? chunk.get("usage") : usage;
                }
            }
        }
        if (response.statusCode() != 200 || usage == null) {
            throw new Disagreement("a request was answered with " + response.statusCode() + " and no usage");
        }
        return new Answer(usage, first);
    }

    private HttpResponse<String> get(String path) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url + path)).build();
        return http.send(request, HttpResponse.BodyHandlers.ofString());
    }
}
