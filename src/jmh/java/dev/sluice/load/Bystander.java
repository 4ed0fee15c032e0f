package dev.sluice.load;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** An ordinary client: one greedy request every 100 ms, whatever others do meanwhile. */
public final class Bystander {

    private static final long PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
    private static final int ATTACKERS = 4;
    private static final String BODY =
            "{\"prompt\":\"It was a dark and stormy night\",\"max_tokens\":8,\"temperature\":0,\"ignore_eos\":true,"
                    + "\"skip_special_tokens\":false,\"logprobs\":1}";

    /**
     * What it saw.
     *
     * @param answers how often each came: its choices if there were any, else all of it
     * @param p99 in milliseconds
     * @param strikes calls of the attackers that ended
     */
    public record Seen(Map<String, Integer> answers, int calls, double p50, double p99, int strikes) {}

    private final HttpClient client = HttpClient.newHttpClient();
    private final int port;

    /** @param port of the server, on this machine */
    public Bystander(int port) {
        this.port = port;
    }

    /** Alone for so long. */
    public Seen alone(Duration time) throws InterruptedException {
        return watch(time, new AtomicInteger());
    }

    /** Beside some clients that do the same thing over and over. */
    public Seen beside(Attack attack, Duration time) throws InterruptedException {
        AtomicInteger strikes = new AtomicInteger();
        List<Thread> attackers = new ArrayList<>();
        long end = System.nanoTime() + time.toNanos();
        for (int i = 0; i < ATTACKERS; i++) {
            Random random = new Random(i);
            attackers.add(Thread.ofPlatform().name("attacker-" + i).start(() -> {
                while (System.nanoTime() - end < 0) {
                    try {
                        attack.strike(port, random);
                    } catch (IOException e) {
                        // Whatever becomes of an attacker concerns nobody.
                    }
                    strikes.incrementAndGet();
                }
            }));
        }
        Seen seen = watch(time, strikes);
        for (Thread attacker : attackers) {
            attacker.join();
        }
        return seen;
    }

    private Seen watch(Duration time, AtomicInteger strikes) throws InterruptedException {
        Gaps latencies = new Gaps();
        Map<String, Integer> answers = new ConcurrentHashMap<>();
        List<CompletableFuture<Void>> calls = new ArrayList<>();
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/v1/completions"))
                .header("Content-Type", "application/json")
                .timeout(Duration.ofMinutes(1))
                .POST(HttpRequest.BodyPublishers.ofString(BODY))
                .build();
        long start = System.nanoTime();
        for (long due = 0; due < time.toNanos(); due += PAUSE_NANOS) {
            TimeUnit.NANOSECONDS.sleep(Math.max(0, start + due - System.nanoTime()));
            long sent = System.nanoTime();
            calls.add(client.sendAsync(request, BodyHandlers.ofString()).handle((answer, failure) -> {
                latencies.add(System.nanoTime() - sent);
                answers.merge(failure == null ? choices(answer.body()) : failure.toString(), 1, Integer::sum);
                return null;
            }));
        }
        calls.forEach(CompletableFuture::join);
        return new Seen(
                Map.copyOf(answers),
                calls.size(),
                latencies.percentile(0.5),
                latencies.percentile(0.99),
                strikes.get());
    }

    private static String choices(String body) {
        int from = body.indexOf("\"choices\"");
        int to = body.indexOf("\"usage\"");
        return from < 0 || to < from ? body : body.substring(from, to);
    }

    /** Prints how it fares alone and beside each attack; false if one of its tokens was another. */
    static boolean compare(int port, int seconds) throws InterruptedException {
        Bystander bystander = new Bystander(port);
        Duration time = Duration.ofSeconds(seconds);
        for (Attack attack : Attack.values()) {
            bystander.beside(attack, Duration.ofSeconds(2)); // code is compiled
        }
        Seen alone = bystander.alone(time);
        System.out.printf("alone: median %.1f ms, 99th percentile %.1f ms%n", alone.p50(), alone.p99());
        boolean equal = alone.answers().size() == 1;
        for (Attack attack : Attack.values()) {
            Seen seen = bystander.beside(attack, time);
            boolean same = seen.answers().keySet().equals(alone.answers().keySet());
            System.out.printf(
                    "beside %d of %s: median %.1f ms, 99th percentile %.1f ms (%.1f times), tokens %s%n",
                    seen.strikes(),
                    attack,
                    seen.p50(),
                    seen.p99(),
                    seen.p99() / alone.p99(),
                    same ? "equal" : "DIFFER");
            if (!same) {
                seen.answers().forEach((answer, count) -> System.out.println(count + " times " + shortened(answer)));
            }
            equal &= same;
        }
        return equal;
    }

    private static String shortened(String text) {
        return text.length() <= 200 ? text : text.substring(0, 200) + "...";
    }
}
