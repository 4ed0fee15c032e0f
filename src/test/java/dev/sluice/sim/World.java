package dev.sluice.sim;

import dev.sluice.executor.sim.FaultPlan;
import dev.sluice.executor.sim.SimulatedExecutor;
import dev.sluice.kv.BlockHasher;
import dev.sluice.kv.KvCache;
import dev.sluice.kv.KvLayout;
import dev.sluice.offload.KvConnector;
import dev.sluice.offload.NoKvConnector;
import dev.sluice.request.FinishReason;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.SamplingParams;
import dev.sluice.scheduler.SchedulerLoop;
import dev.sluice.scheduler.SchedulerSettings;
import dev.sluice.scheduler.SchedulerSettings.LoadFailurePolicy;
import dev.sluice.scheduler.SchedulerSettings.Policy;
import dev.sluice.testkit.FlakyConnector;
import dev.sluice.testkit.RecordingSink;
import dev.sluice.testkit.VirtualClock;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * One simulated life of a server, decided by one seed: pool, budgets, policy, arrivals, shared prefixes, salts,
 * cancellations, deadlines, tiers, copies that fail, hang or are damaged. The loop, the planner and the pool are the production ones.
 *
 * <p>After every turn the books are audited and the ledger is checked; at the end every request must have ended, each
 * with exactly the tokens that its own history demands, however it was batched, chunked, preempted or shared.
 */
final class World {

    private static final int TURNS_MAX = 100_000;

    private final Random random;
    private final VirtualClock clock = new VirtualClock();
    private final SchedulerSettings settings;
    private final KvLayout layout;
    private final int vocabulary;
    private final SimulatedExecutor executor;
    private final CheckedLedger ledger = new CheckedLedger();
    private final SchedulerLoop loop;
    private final KvCache cache;
    private final ContentAudit contents;
    private final SimulatedTiers tiers;
    private final WatchedExecutor watched;
    private final @Nullable CheckedConnector connector;
    private final @Nullable FlakyConnector flaky;
    private final Random troubles;
    private final List<Client> clients = new ArrayList<>();
    private final List<int[]> sharedPrefixes = new ArrayList<>();
    private final double cancelRate;
    private final double stepFaultRate;
    private final double sequenceFaultRate;
    private final double resetRate;
    private final double fullResetRate;
    private final double shareRate;
    private final double skipReadingRate;
    private final double shortRate;
    private final boolean salts;
    private boolean faultsOn = true;
    private int turns;

    /**
     * @param overlap whether steps are begun ahead; not drawn, so that a seed means the same history with and without
     * @param throwing whether the connector throws now and then, instead of being watched
     */
    World(long seed, boolean overlap, boolean throwing) {
        troubles = new Random(new SplittableRandom(seed + 1).nextLong());
        random = new Random(new SplittableRandom(seed).nextLong()); // Random's first numbers hardly depend on its seed
        int blockSize = 1 + random.nextInt(8);
        int usable = 3 + random.nextInt(chance(0.5) ? 12 : 120);
        layout = new KvLayout(usable + 1, blockSize);
        int capacity = usable * blockSize;
        int context = Math.max(4, chance(0.5) ? capacity + 1 : capacity / 2);
        int budget = 1 + random.nextInt(chance(0.3) ? 8 : 200);
        boolean chunked = chance(0.85);
        if (!chunked) {
            budget = Math.max(budget, context);
        }
        int sequences = 1 + random.nextInt(Math.min(budget, 24));
        settings = new SchedulerSettings(
                sequences,
                budget,
                chance(0.3) ? 1 + random.nextInt(10) : 0,
                chunked,
                chance(0.6) ? Policy.FCFS : Policy.PRIORITY,
                chance(0.8),
                chance(0.6),
                chance(0.3) ? random.nextDouble() * 0.3 : 0,
                chance(0.8) ? LoadFailurePolicy.RECOMPUTE : LoadFailurePolicy.FAIL,
                overlap,
                context,
                256,
                10);
        vocabulary = 2 + random.nextInt(50);
        cancelRate = chance(0.5) ? random.nextDouble() * 0.1 : 0;
        stepFaultRate = chance(0.3) ? random.nextDouble() * (chance(0.3) ? 0.3 : 0.05) : 0;
        sequenceFaultRate = chance(0.3) ? random.nextDouble() * (chance(0.3) ? 0.1 : 0.02) : 0;
        resetRate = chance(0.4) ? random.nextDouble() * (chance(0.5) ? 0.3 : 0.05) : 0;
        fullResetRate = chance(0.5) ? 0.5 : 0.02; // seldom, so that the tiers behind the device have something to give
        shareRate = chance(0.5) ? 0.6 : 0.95;
        shortRate = chance(0.5) ? 0.7 : 0.2;
        skipReadingRate = chance(0.2) ? 0.4 : 0.05;
        salts = chance(0.3);
        SplittableRandom faultSeed = new SplittableRandom(random.nextLong());
        tiers = new SimulatedTiers(random);
        FaultPlan stepFaults = new FaultPlan() {
            @Override
            public boolean refusesStep(long step) {
                return faultsOn && faultSeed.nextDouble() < stepFaultRate / 2;
            }

            @Override
            public boolean failsStep(long step) {
                return faultsOn && faultSeed.nextDouble() < stepFaultRate / 2;
            }

            @Override
            public boolean failsSequence(long step, long sequence) {
                return faultsOn && faultSeed.nextDouble() < sequenceFaultRate;
            }
        };
        executor = new SimulatedExecutor(SimulatedExecutor.spec(vocabulary, context, layout), tiers.faults(stepFaults));
        connector = chance(0.7) ? tiers.connector(executor, layout, clock, settings.prefixCaching()) : null;
        flaky = throwing && connector != null ? flaky(connector.unchecked()) : null;
        cache = new KvCache(layout, settings.prefixCaching());
        watched = new WatchedExecutor(
                executor, cache.pool(), (int) (settings.watermark() * layout.blockCount()), shared -> {
                    if (connector != null) {
                        connector.sharedInVain(shared);
                    }
                });
        ledger.tellPreempted(watched::preempted);
        loop = new SchedulerLoop(
                settings,
                cache,
                new BlockHasher(blockSize, new byte[32]),
                watched,
                flaky != null ? flaky : connector != null ? connector : new NoKvConnector(),
                ledger,
                clock);
        contents = new ContentAudit(executor, cache, new BlockHasher(blockSize, new byte[32]));
        for (int i = 0; i < 3; i++) {
            sharedPrefixes.add(randomTokens(random.nextInt(context)));
        }
    }

    /** Seldom or often, in one method or in all. */
    private FlakyConnector flaky(KvConnector real) {
        double rate = troubles.nextBoolean() ? 0.002 : 0.05;
        String only = FlakyConnector.METHODS.get(troubles.nextInt(FlakyConnector.METHODS.size()));
        boolean all = troubles.nextBoolean();
        Predicate<String> fails = method -> faultsOn && (all || method.equals(only)) && troubles.nextDouble() < rate;
        return new FlakyConnector(real, fails, fails);
    }

    private boolean chance(double probability) {
        return random.nextDouble() < probability;
    }

    private int[] randomTokens(int length) {
        return random.ints(length, 0, vocabulary).toArray();
    }

    /** Lives: arrivals and disasters first, then a quiet phase in which everything must end. */
    void run() {
        int arrivals = 5 + random.nextInt(60);
        double arrivalRate = 0.05 + random.nextDouble();
        while (clients.size() < arrivals) {
            while (clients.size() < arrivals && chance(arrivalRate)) {
                arrive();
            }
            cancelSome();
            if (chance(resetRate)) {
                reset();
            }
            turn();
        }
        faultsOn = false;
        tiers.endFaults();
        int quiet = turns + TURNS_MAX;
        int patience = flaky == null ? TURNS_MAX : 1_000; // a connector that threw may believe in copies for ever
        while (loop.hasRequests() || (loop.hasTransfers() && patience-- > 0)) {
            if (turns > quiet) {
                throw new IllegalStateException("no end in sight: " + loop.snapshot() + loop.describe() + settings);
            }
            turn();
        }
        turn();
        judge();
    }

    /** A reset of everything must leave nothing of before, so the model may change with it. */
    private void reset() {
        boolean preempt = chance(0.5);
        boolean everything = chance(fullResetRate);
        boolean done = loop.resetPrefixCache(preempt, everything);
        hearClients(); // a step that was under way has ended, while the model was still the same
        if (preempt && !done) {
            throw new IllegalStateException("a reset that takes all blocks did not happen");
        }
        if (done && everything) {
            executor.changeWeights();
            contents.forget();
        } else if (connector != null && chance(fullResetRate)) {
            connector.reset();
        }
    }

    private void turn() {
        turns++;
        clock.advanceNanos(1 + random.nextInt(20_000_000));
        tiers.turn();
        loop.runOnce();
        if (executor.violation() != null) {
            throw new IllegalStateException(executor.violation());
        }
        loop.verifyBooks();
        if (connector != null && flaky == null) {
            connector.verify();
        }
        watched.verify();
        ledger.verify();
        hearClients();
        for (Client client : clients) {
            client.judgeDeadline(clock.monotonicNanos(), ledger.isScheduled(client.request.id()));
        }
        contents.verify();
    }

    private void hearClients() {
        for (Client client : clients) {
            client.note(executor.weights());
            contents.learn(client.request, client.sink);
        }
    }

    private void arrive() {
        int context = settings.contextLength();
        int promptLength = 1 + random.nextInt(chance(shortRate) ? Math.max(1, context / 3) : context - 1);
        int[] prompt = randomTokens(promptLength);
        if (chance(shareRate)) {
            int[] prefix = prefix();
            int most = Math.min(prefix.length, promptLength);
            System.arraycopy(prefix, 0, prompt, 0, chance(0.7) ? most : random.nextInt(most + 1)); // or parts ways
        }
        int maxTokens = 1 + random.nextInt(Math.max(1, context - promptLength));
        SamplingParams sampling = new SamplingParams.Builder()
                .maxTokens(maxTokens)
                .minTokens(chance(0.2) ? random.nextInt(maxTokens + 1) : 0)
                .endTokenIds(chance(0.5) ? new int[] {0} : new int[0])
                .stopTokenIds(chance(0.2) ? new int[] {1} : new int[0])
                .build();
        long now = clock.monotonicNanos();
        GenerationRequest request = new GenerationRequest(
                "r" + clients.size(),
                prompt,
                sampling,
                random.nextInt(3),
                salts && chance(0.5) ? "tenant" + random.nextInt(2) : null,
                chance(0.9) ? Integer.MAX_VALUE : random.nextInt(context),
                now,
                chance(0.1) ? now + random.nextInt(2_000_000_000) : Long.MAX_VALUE,
                chance(0.1) ? now + random.nextInt(2_000_000_000) : Long.MAX_VALUE);
        Client client = new Client(request, new RecordingSink());
        clients.add(client);
        if (!loop.submit(request, client.sink)) {
            throw new IllegalStateException("inbox full");
        }
    }

    /** One that many share, or, as in a conversation, what an earlier client has said and heard. */
    private int[] prefix() {
        if (clients.isEmpty() || chance(0.7)) {
            return sharedPrefixes.get(random.nextInt(sharedPrefixes.size()));
        }
        Client earlier = clients.get(random.nextInt(clients.size()));
        int[] prompt = earlier.request.promptTokenIds();
        return IntStream.concat(
                        Arrays.stream(prompt), earlier.sink.tokens().stream().mapToInt(Integer::intValue))
                .toArray();
    }

    private void cancelSome() {
        for (Client client : clients) {
            if (!client.sink.isEnded() && chance(cancelRate)) {
                client.disturbed = true;
                if (chance(0.2)) {
                    client.sink.stopReading();
                } else {
                    loop.cancel(client.request.id(), chance(0.5) ? FinishReason.ABORT : FinishReason.STOP);
                }
            }
        }
    }

    private void judge() {
        for (int i = 0; i < clients.size(); i++) {
            Client client = clients.get(i);
            client.judge(vocabulary, settings.contextLength());
            client.judgeSalt(clients);
            ledger.judgeWork(client.request.id(), watched.promptTokens(i + 1));
            if (connector != null && flaky == null) {
                client.judgeRecord(connector.record(i + 1)); // sequences are numbered in the order of arrival
            }
        }
        if (flaky != null) {
            boolean counted = loop.snapshot().connectorFailures() >= flaky.thrown();
            if (!counted || cache.pool().free() != cache.pool().usable()) {
                throw new IllegalStateException(flaky.thrown() + " calls threw: " + loop.snapshot());
            }
        } else if (connector != null) {
            connector.judge();
        }
        ledger.judge(clients.stream().map(client -> client.sink).toList());
    }
}
