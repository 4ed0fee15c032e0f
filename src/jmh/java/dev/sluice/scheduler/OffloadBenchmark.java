package dev.sluice.scheduler;

import dev.sluice.executor.cpu.CpuExecutor;
import dev.sluice.executor.cpu.CpuSettings;
import dev.sluice.kv.BlockHasher;
import dev.sluice.kv.HostPages;
import dev.sluice.kv.KvCache;
import dev.sluice.kv.KvLayout;
import dev.sluice.model.Model;
import dev.sluice.model.ModelDirectory;
import dev.sluice.offload.KvConnector;
import dev.sluice.offload.NoKvConnector;
import dev.sluice.offload.OffloadListener;
import dev.sluice.offload.Tier;
import dev.sluice.offload.TierGuard;
import dev.sluice.offload.host.HostMemoryConnector;
import dev.sluice.offload.host.OffloadSettings;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenEvent;
import dev.sluice.request.TokensByTier;
import dev.sluice.runtime.SystemClock;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.SplittableRandom;

/**
 * What offload to host memory saves and what it costs: the default model on the CPU executor, with and without it, turn
 * by turn in one run.
 *
 * <p>A program, not a JMH class: what is compared must be measured alternately, because the machine may be shared.
 * Arguments: rounds (7), threads (2).
 */
public final class OffloadBenchmark {

    private static final int BLOCK = 16;
    private static final int PREFIX = 1024;
    private static final int QUESTION = 16;
    private static final int SETTLING_TURNS = 50;

    private final int rounds;
    private final int threads;
    private final Model model = ModelDirectory.embedded();
    private final Random random = new Random(1);

    private OffloadBenchmark(int rounds, int threads) {
        this.rounds = rounds;
        this.threads = threads;
    }

    public static void main(String[] args) {
        int rounds = args.length > 0 ? Integer.parseInt(args[0]) : 7;
        int threads = args.length > 1 ? Integer.parseInt(args[1]) : 2;
        OffloadBenchmark benchmark = new OffloadBenchmark(rounds, threads);
        benchmark.firstToken();
        benchmark.throughput("four times the pool", 32);
        benchmark.throughput("half of the pool", 4);
        System.exit(0);
    }

    /** A prompt whose first 1,024 tokens are computed, found on the device, or only in host memory. */
    private void firstToken() {
        Engine engine = new Engine(160, 160);
        double[] computed = new double[rounds];
        double[] local = new double[rounds];
        double[] host = new double[rounds];
        double[] copy = new double[rounds];
        for (int warm = 0; warm < 3; warm++) {
            engine.firstToken(tokens(PREFIX + QUESTION));
        }
        for (int i = 0; i < rounds; i++) {
            int[] prompt = tokens(PREFIX + QUESTION);
            computed[i] = engine.firstToken(prompt);
            local[i] = engine.firstToken(ask(prompt));
            engine.settle();
            engine.loop.resetPrefixCache(false, false);
            host[i] = engine.firstToken(ask(prompt));
            copy[i] = engine.lastLoadMillis();
        }
        engine.close();
        System.out.printf(
                Locale.ROOT,
                "Time to first token, %d + %d tokens, median of %d:%n  computed %.1f ms, device %.1f ms, host %.1f ms, of"
                        + " which the copy %.1f ms%n  host / computed = %.3f   host / (device + copy) = %.2f%n",
                PREFIX,
                QUESTION,
                rounds,
                median(computed),
                median(local),
                median(host),
                median(copy),
                median(host) / median(computed),
                median(host) / (median(local) + median(copy)));
    }

    /** Requests with shared prefixes of 512 tokens, eight at a time, against a pool of 4,096 tokens. */
    private void throughput(String workingSet, int prefixCount) {
        int[][] prefixes = new int[prefixCount][];
        for (int i = 0; i < prefixCount; i++) {
            prefixes[i] = tokens(512);
        }
        Engine without = new Engine(256, 0);
        Engine with = new Engine(256, 2048);
        double[] plain = new double[rounds];
        double[] offload = new double[rounds];
        for (int i = -1; i < rounds; i++) {
            long seed = random.nextLong();
            double first = without.run(new Workload(prefixes, seed, 96, i >= 0));
            double second = with.run(new Workload(prefixes, seed, 96, i >= 0));
            if (i >= 0) {
                plain[i] = first;
                offload[i] = second;
            }
        }
        double[] ratios = new double[rounds];
        for (int i = 0; i < rounds; i++) {
            ratios[i] = plain[i] / offload[i];
        }
        System.out.printf(
                Locale.ROOT,
                "Working set of %s, %d rounds:%n  sources without: %s; with: %s%n  without %.2f s, with %.2f s: throughput x %.2f (median of pairs; %.2f to"
                        + " %.2f)%n  turns without: p50 %.2f p99 %.2f ms; with: p50 %.2f p99 %.2f ms; p99 x %.2f%n",
                workingSet,
                rounds,
                without.sources(),
                with.sources(),
                median(plain),
                median(offload),
                median(ratios),
                Arrays.stream(ratios).min().orElseThrow(),
                Arrays.stream(ratios).max().orElseThrow(),
                without.turnMillis(0.5),
                without.turnMillis(0.99),
                with.turnMillis(0.5),
                with.turnMillis(0.99),
                with.turnMillis(0.99) / without.turnMillis(0.99));
        without.close();
        with.close();
    }

    /** The same prefix with another question. */
    private int[] ask(int[] prompt) {
        int[] other = tokens(prompt.length);
        System.arraycopy(prompt, 0, other, 0, PREFIX);
        return other;
    }

    private int[] tokens(int count) {
        return random.ints(count, 100, 6000).toArray();
    }

    private static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }

    /** Which prefixes are asked for in which order: the same for both sides of a pair. */
    private record Workload(int[][] prefixes, long seed, int requests, boolean measured) {

        static final int CLIENTS = 8;
        static final int OUTPUT = 16;

        /** Prompt of request number i; the prefix is drawn with Zipf's law. */
        int[] prompt(int i) {
            SplittableRandom draws = new SplittableRandom(seed + i); // near seeds of Random draw alike
            double sum = 0;
            for (int k = 1; k <= prefixes.length; k++) {
                sum += 1.0 / k;
            }
            double rest = draws.nextDouble() * sum;
            int chosen = 0;
            while (chosen < prefixes.length - 1 && (rest -= 1.0 / (chosen + 1)) > 0) {
                chosen++;
            }
            int[] prompt = Arrays.copyOf(prefixes[chosen], prefixes[chosen].length + QUESTION);
            for (int t = prefixes[chosen].length; t < prompt.length; t++) {
                prompt[t] = 100 + draws.nextInt(5900);
            }
            return prompt;
        }
    }

    /** Executor, cache, connector and loop, turned by the caller's thread. */
    private final class Engine {
        private final CpuExecutor executor;
        private final KvConnector connector;
        private final SchedulerLoop loop;
        private final double[] turns = new double[1 << 20];
        private long lastLoadNanos;
        private int turnCount;
        private int ended;
        private long computed;
        private long local;
        private long external;
        private long number;

        /** @param hostBlocks zero for no offload */
        Engine(int blocks, int hostBlocks) {
            KvLayout layout = new KvLayout(blocks + 1, BLOCK);
            executor = new CpuExecutor(
                    model.spec(), model.weights(), layout, blocks * BLOCK, new CpuSettings(threads, 512, 64));
            KvCache cache = new KvCache(layout, true);
            SystemClock clock = new SystemClock();
            connector = hostBlocks == 0 ? new NoKvConnector() : host(layout, hostBlocks, clock);
            SchedulerSettings settings = new SchedulerSettings(
                    64,
                    512,
                    0,
                    true,
                    SchedulerSettings.Policy.FCFS,
                    true,
                    true,
                    0,
                    SchedulerSettings.LoadFailurePolicy.RECOMPUTE,
                    true,
                    blocks * BLOCK,
                    4096,
                    10);
            loop = new SchedulerLoop(
                    settings,
                    cache,
                    new BlockHasher(BLOCK, new byte[32]),
                    executor,
                    connector,
                    new LifecycleListener() {},
                    clock);
        }

        private KvConnector host(KvLayout layout, int hostBlocks, SystemClock clock) {
            HostPages pages = executor.allocateHostPages(hostBlocks);
            OffloadListener listener = new OffloadListener() {
                @Override
                public void onStored(String tier, long bytes, long nanos) {}

                @Override
                public void onLoaded(String tier, long bytes, long nanos) {
                    lastLoadNanos = nanos;
                }

                @Override
                public void onFailed(String tier, boolean load) {
                    throw new IllegalStateException("a copy failed");
                }
            };
            return new HostMemoryConnector(
                    OffloadSettings.defaults(),
                    layout,
                    pages,
                    new Tier(TokensByTier.HOST, TierGuard.NONE),
                    List.of(),
                    listener,
                    clock,
                    true);
        }

        double lastLoadMillis() {
            return lastLoadNanos * 1e-6;
        }

        /** Milliseconds from submission to the first token; then lets the request end. */
        double firstToken(int[] prompt) {
            long[] first = new long[1];
            int before = ended;
            long start = System.nanoTime();
            submit(prompt, 2, first);
            while (ended == before) {
                loop.runOnce();
            }
            settle();
            return (first[0] - start) * 1e-6;
        }

        /** Lets copies end. */
        void settle() {
            for (int i = 0; i < SETTLING_TURNS || connector.hasPendingWork(); i++) {
                loop.runOnce();
            }
        }

        /** Seconds that a workload takes. */
        double run(Workload workload) {
            long start = System.nanoTime();
            int first = ended;
            for (int next = 0; ended - first < workload.requests(); ) {
                while (next < workload.requests() && next - (ended - first) < Workload.CLIENTS) {
                    submit(workload.prompt(next++), Workload.OUTPUT, new long[1]);
                }
                long begin = System.nanoTime();
                loop.runOnce();
                if (workload.measured() && turnCount < turns.length) {
                    turns[turnCount++] = (System.nanoTime() - begin) * 1e-6;
                }
            }
            return (System.nanoTime() - start) * 1e-9;
        }

        double turnMillis(double quantile) {
            double[] sorted = Arrays.copyOf(turns, turnCount);
            Arrays.sort(sorted);
            return sorted[(int) (quantile * (turnCount - 1))];
        }

        private void submit(int[] prompt, int output, long[] first) {
            GenerationRequest request = new GenerationRequest(
                    "r" + number++,
                    prompt,
                    SamplingParams.greedy(output),
                    0,
                    null,
                    Integer.MAX_VALUE,
                    System.nanoTime(),
                    Long.MAX_VALUE,
                    Long.MAX_VALUE);
            boolean taken = loop.submit(request, event -> {
                if (event instanceof TokenEvent.Token && first[0] == 0) {
                    first[0] = System.nanoTime();
                } else if (event instanceof TokenEvent.Prefilled prefilled) {
                    computed += prefilled.record().computedTokens();
                    local += prefilled.record().localTokens();
                    external += prefilled.record().externalTokens();
                } else if (event instanceof TokenEvent.Finished) {
                    ended++;
                } else if (event instanceof TokenEvent.Failed failed) {
                    throw new IllegalStateException(failed.message());
                }
                return true;
            });
            if (!taken) {
                throw new IllegalStateException("the inbox is full");
            }
        }

        /** Where the prompts' tokens came from. */
        String sources() {
            return computed + " computed, " + local + " device, " + external + " host";
        }

        void close() {
            connector.close();
            executor.close();
        }
    }
}
