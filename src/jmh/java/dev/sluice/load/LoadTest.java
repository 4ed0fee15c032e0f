package dev.sluice.load;

import dev.sluice.load.LoadStream.Outcome;
import dev.sluice.load.LoadStream.Reader;
import io.netty.channel.Channel;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Load on the whole server over real sockets; the simulator computes at a known rate. Fails if something was lost or is left.
 *
 * <p>Arguments: {@code streams [count] [seconds]}: so many streams at a time, of two tokens a second each, of which one in a
 * hundred is not read, one is read at a byte a second, and one in a hundred hangs up every minute. {@code overload
 * [seconds]}: five times as many calls as the server has room for. {@code bystander [seconds]}: an ordinary client alone, and
 * for as long beside each attack.
 */
public final class LoadTest {

    private static final int STEP_MILLIS = 500;
    private static final int TOKENS = 120;
    private static final long GRACE_SECONDS = 30; // of a reader that does not read, as the server has it

    private final LoadServer server;
    private final LoadClient client;
    private final Map<String, AtomicLong> counts = new ConcurrentHashMap<>();
    private final ConcurrentLinkedQueue<String> faults = new ConcurrentLinkedQueue<>();
    private final Gaps gaps = new Gaps();
    private final long[] expected = new long[LoadClient.prompts()];
    private final int tokens;

    private LoadTest(LoadServer server, LoadClient client, int tokens) {
        this.server = server;
        this.client = client;
        this.tokens = tokens;
    }

    public static void main(String[] args) throws Exception {
        Locale.setDefault(Locale.ROOT);
        String mode = args.length > 0 ? args[0] : "streams";
        boolean passed = switch (mode) {
            case "streams" -> streams(number(args, 1, 10_000), number(args, 2, 120));
            case "overload" -> overload(number(args, 1, 60));
            case "bystander" -> bystander(number(args, 1, 20));
            default ->
                throw new IllegalArgumentException("the first argument is streams, overload or bystander, not " + mode);
        };
        System.out.println(passed ? "passed" : "FAILED");
        System.exit(passed ? 0 : 1);
    }

    private static int number(String[] args, int place, int otherwise) {
        return args.length > place ? Integer.parseInt(args[place]) : otherwise;
    }

    private static boolean streams(int count, int seconds) throws Exception {
        try (LoadServer server = new LoadServer(List.of(
                        "--sluice.executor.simulator.step-time=" + STEP_MILLIS + "ms",
                        "--sluice.scheduler.max-sequences=" + count,
                        "--sluice.scheduler.max-batched-tokens=" + Math.max(count, 24 * count / 4),
                        "--sluice.kv.blocks=" + count * 12));
                LoadClient client = new LoadClient(server.port, TOKENS)) {
            server.awaitReady();
            LoadTest test = new LoadTest(server, client, TOKENS);
            test.learnAnswers();
            return test.runStreams(count, seconds);
        }
    }

    /** Each prompt alone: what its answer has to be later, whatever else runs. */
    private void learnAnswers() throws InterruptedException {
        AtomicInteger left = new AtomicInteger(expected.length);
        for (int i = 0; i < expected.length; i++) {
            int prompt = i;
            client.call(i, Reader.WILLING, new Gaps(), outcome -> {
                if (!outcome.complete() || outcome.tokens() != tokens) {
                    faults.add("a prompt alone was not answered: " + outcome);
                }
                expected[prompt] = outcome.textHash();
                left.decrementAndGet();
            });
        }
        while (left.get() > 0) {
            Thread.sleep(50);
        }
    }

    private boolean runStreams(int count, int seconds) throws Exception {
        Random random = new Random(1);
        AtomicInteger open = new AtomicInteger();
        List<Channel> willing = new ArrayList<>();
        int odd = Math.max(1, count / 100);
        for (int i = 0; i < 2 * odd; i++) {
            begin(i, i < odd ? Reader.STALLED : Reader.SLOW, open);
        }
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        double toDrop = 0;
        for (int second = 0; System.nanoTime() - end < 0; second++) {
            long tick = System.nanoTime();
            int missing = Math.min(count - open.get(), count / 10); // opened over ten seconds
            for (int i = 0; i < missing; i++) {
                willing.add(begin(random.nextInt(), Reader.WILLING, open));
            }
            willing.removeIf(channel -> !channel.isOpen());
            for (toDrop += count / 100.0 / 60; toDrop >= 1 && !willing.isEmpty(); toDrop--) {
                tally("dropped by us");
                willing.remove(random.nextInt(willing.size())).close();
            }
            if (second % 10 == 0) {
                System.out.printf(
                        "%4d s: %d open, %.0f running, %d MiB resident%n",
                        second, open.get(), server.metric("vllm:num_requests_running"), server.status("VmRSS") >> 10);
            }
            TimeUnit.NANOSECONDS.sleep(Math.max(0, tick + TimeUnit.SECONDS.toNanos(1) - System.nanoTime()));
        }
        long patience = System.nanoTime() + TimeUnit.SECONDS.toNanos(TOKENS * STEP_MILLIS / 1000 + GRACE_SECONDS + 60);
        while (open.get() > 2 * odd && System.nanoTime() - patience < 0) {
            Thread.sleep(100);
        }
        return report() & isIdle();
    }

    private Channel begin(int number, Reader reader, AtomicInteger open) {
        int prompt = Math.floorMod(number, LoadClient.prompts());
        open.incrementAndGet();
        return client.call(prompt, reader, gaps, outcome -> {
            open.decrementAndGet();
            judge(prompt, outcome);
        });
    }

    private void judge(int prompt, Outcome outcome) {
        if (outcome.reader() != Reader.WILLING) {
            tally(outcome.reader() + " cut by the server");
        } else if (outcome.status() == 200 && outcome.complete()) {
            tally("complete");
            if (outcome.tokens() != tokens || outcome.textHash() != expected[prompt]) {
                faults.add("a wrong answer: " + outcome);
            }
        } else if (outcome.status() == 429) {
            tally("refused");
            if (!outcome.retryAfter()) {
                faults.add("a refusal without Retry-After");
            }
        } else {
            tally("ended early, status " + outcome.status());
            if (!outcome.error().isEmpty()) {
                faults.add(outcome.error());
            }
        }
    }

    private void tally(String what) {
        counts.computeIfAbsent(what, key -> new AtomicLong()).incrementAndGet();
    }

    private long count(String what) {
        return counts.getOrDefault(what, new AtomicLong()).get();
    }

    private boolean report() throws Exception {
        long early = counts.entrySet().stream()
                .filter(entry -> entry.getKey().startsWith("ended early"))
                .mapToLong(entry -> entry.getValue().get())
                .sum();
        System.out.println(counts);
        if (gaps.count() > 0) {
            System.out.printf(
                    "time between events of a stream: median %.0f ms, 99th percentile %.0f ms (a step is %d ms)%n",
                    gaps.percentile(0.5), gaps.percentile(0.99), STEP_MILLIS);
        }
        System.out.printf(
                "the server: %d MiB resident at most, %d threads%n",
                server.status("VmHWM") >> 10, server.status("Threads"));
        faults.stream().limit(5).forEach(System.out::println);
        if (early > count("dropped by us")) {
            System.out.println("lost: " + (early - count("dropped by us")) + " streams that nobody dropped");
        }
        return faults.isEmpty() && early <= count("dropped by us") && server.isAlive();
    }

    /** Nothing runs, waits, or is held, once the last reader is gone or its grace has ended. */
    private boolean isIdle() throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(GRACE_SECONDS + 2);
        String left = "";
        while (System.nanoTime() - end < 0) {
            double running = server.metric("vllm:num_requests_running");
            double waiting = server.metric("vllm:num_requests_waiting");
            double used = server.metric("vllm:kv_cache_usage_perc");
            String load = server.get("/load").body();
            left = "running %.0f, waiting %.0f, keys and values %.3f, load %s".formatted(running, waiting, used, load);
            if (running + waiting + used == 0 && load.contains("\"server_load\":0")) {
                System.out.println("idle: " + left + ", " + server.descriptors() + " descriptors");
                return true;
            }
            Thread.sleep(200);
        }
        System.out.println("NOT idle: " + left);
        return false;
    }

    private static boolean bystander(int seconds) throws Exception {
        try (LoadServer server = new LoadServer(List.of())) {
            server.awaitReady();
            return Bystander.compare(server.port, seconds) & server.isAlive();
        }
    }

    private static boolean overload(int seconds) throws Exception {
        int places = 64;
        int perCall = 40;
        int stepMillis = 25; // so 64 places serve 64 calls a second
        try (LoadServer server = new LoadServer(List.of(
                        "--sluice.executor.simulator.step-time=" + stepMillis + "ms",
                        "--sluice.scheduler.max-sequences=" + places,
                        "--sluice.scheduler.max-batched-tokens=2048",
                        "--sluice.admission.max-queued-requests=" + places,
                        "--sluice.kv.blocks=4096"));
                LoadClient client = new LoadClient(server.port, perCall)) {
            server.awaitReady();
            LoadTest test = new LoadTest(server, client, perCall);
            test.learnAnswers();
            test.offer(48, 10); // code is compiled
            double capacity = 1000.0 / stepMillis / perCall * places;
            double peak = test.offer(capacity * 0.98, seconds);
            Gaps refusals = new Gaps();
            double under = test.offer(5 * capacity, seconds, refusals);
            double refused = refusals.percentile(0.99);
            System.out.printf(
                    "calls answered a second: %.1f at 98 %% of the capacity of %.0f, %.1f at five times it (%.0f %%)%n",
                    peak, capacity, under, 100 * under / peak);
            System.out.printf("%d refusals, 99th percentile %.1f ms, goal 50%n", refusals.count(), refused);
            return under >= 0.9 * peak & refused <= 50 & test.report() & test.isIdle();
        }
    }

    private double offer(double perSecond, int seconds) throws InterruptedException {
        return offer(perSecond, seconds, new Gaps());
    }

    /** Calls at random times, whatever becomes of those before; answers a second. */
    private double offer(double perSecond, int seconds, Gaps refusals) throws InterruptedException {
        Random random = new Random(2);
        AtomicInteger open = new AtomicInteger();
        AtomicInteger answered = new AtomicInteger();
        long start = System.nanoTime();
        double due = 0;
        for (int i = 0; due < seconds; i++) {
            due -= Math.log(1 - random.nextDouble()) / perSecond;
            TimeUnit.NANOSECONDS.sleep(Math.max(0, start + (long) (due * 1e9) - System.nanoTime()));
            int prompt = Math.floorMod(i, LoadClient.prompts());
            open.incrementAndGet();
            client.call(prompt, Reader.WILLING, new Gaps(), outcome -> {
                if (outcome.status() == 429) {
                    refusals.add(outcome.nanos());
                }
                if (outcome.complete() && System.nanoTime() - start < seconds * 1_000_000_000L) {
                    answered.incrementAndGet();
                }
                judge(prompt, outcome);
                open.decrementAndGet();
            });
        }
        while (open.get() > 0) {
            Thread.sleep(20);
        }
        return answered.get() / (double) seconds;
    }
}
