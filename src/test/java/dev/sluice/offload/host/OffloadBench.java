package dev.sluice.offload.host;

import dev.sluice.executor.ExecutorSpec;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.PendingStep;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.sim.FaultPlan;
import dev.sluice.executor.sim.SimulatedExecutor;
import dev.sluice.kv.BlockHash;
import dev.sluice.kv.BlockHasher;
import dev.sluice.kv.BlockTable;
import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.kv.KvCache;
import dev.sluice.kv.KvLayout;
import dev.sluice.offload.KvConnector;
import dev.sluice.offload.OffloadListener;
import dev.sluice.offload.Tier;
import dev.sluice.offload.TierGuard;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokensByTier;
import dev.sluice.scheduler.LifecycleListener;
import dev.sluice.scheduler.SchedulerLoop;
import dev.sluice.scheduler.SchedulerSettings;
import dev.sluice.scheduler.SchedulerSettings.LoadFailurePolicy;
import dev.sluice.scheduler.SchedulerSettings.Policy;
import dev.sluice.testkit.RecordingSink;
import dev.sluice.testkit.VirtualClock;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * A workbench for scenarios of the host tier: loop, connector and the executor that checks every work order, with the
 * copies of each step kept as {@code "store 0-5"}, {@code "load 0-2"} and {@code "flush 0-5"}, where a number is the index
 * of a block in its sequence.
 */
final class OffloadBench {

    private static final int VOCABULARY = 100_000;

    final VirtualClock clock = new VirtualClock();
    final KvCache cache;
    final HostMemoryConnector connector;
    final SchedulerLoop loop;
    final Map<String, RecordingSink> sinks = new LinkedHashMap<>();
    private final Map<String, GenerationRequest> requests = new HashMap<>();

    /** While true, nobody hears of copies that have ended, but for those that a step waits for. */
    boolean holding;

    /** What the connector says of its tiers: {@code "host load failed"}. */
    final List<String> told = new ArrayList<>();

    /** While true, whoever is told so throws. */
    boolean listenerFails;

    private final OffloadListener heard = new OffloadListener() {
        @Override
        public void onStored(String tier, long bytes, long nanos) {
            tell(tier + " stored " + bytes);
        }

        @Override
        public void onLoaded(String tier, long bytes, long nanos) {
            tell(tier + " loaded " + bytes);
        }

        @Override
        public void onFailed(String tier, boolean load) {
            tell(tier + (load ? " load" : " store") + " failed");
        }

        private void tell(String line) {
            told.add(line);
            if (listenerFails) {
                throw new IllegalStateException("injected");
            }
        }
    };

    /** Positions of copy jobs that fail. */
    final Set<Integer> failing = new HashSet<>();

    private final BlockHasher hasher;
    private final Map<BlockHash, Integer> indices = new HashMap<>();
    private final List<String> copies = new ArrayList<>();
    private final SimulatedExecutor simulator;
    private int nextToken;

    OffloadBench(int blockSize, int blockCount, int pages, OffloadSettings settings) {
        this(blockSize, blockCount, pages, settings, connector -> connector);
    }

    /** @param between what stands between the loop and the connector */
    OffloadBench(
            int blockSize, int blockCount, int pages, OffloadSettings settings, UnaryOperator<KvConnector> between) {
        KvLayout layout = new KvLayout(blockCount, blockSize);
        int context = (blockCount - 1) * blockSize + 1;
        hasher = new BlockHasher(blockSize, new byte[32]);
        cache = new KvCache(layout, true);
        simulator = new SimulatedExecutor(SimulatedExecutor.spec(VOCABULARY, context, layout), new FaultPlan() {
            @Override
            public boolean failsCopy(long job, int index) {
                return failing.contains(index);
            }
        });
        connector = new HostMemoryConnector(
                settings,
                layout,
                simulator.allocateHostPages(pages),
                new Tier(TokensByTier.HOST, TierGuard.NONE),
                List.of(),
                heard,
                clock,
                true);
        SchedulerSettings scheduling = new SchedulerSettings(
                128,
                100_000,
                0,
                true,
                Policy.FCFS,
                true,
                true,
                0,
                LoadFailurePolicy.RECOMPUTE,
                true,
                context,
                4096,
                10);
        loop = new SchedulerLoop(
                scheduling, cache, hasher, new Copies(), between.apply(connector), new LifecycleListener() {}, clock);
    }

    /** The settings of most scenarios: chunks of so many blocks, everything stored. */
    static OffloadSettings chunksOf(int blocks, boolean promptOnly) {
        return new OffloadSettings(blocks, OffloadSettings.Eviction.LRU, 0, 64_000, promptOnly, true);
    }

    /** A prompt that shares no token with any other. */
    int[] distinctPrompt(int length) {
        nextToken += length;
        return IntStream.range(nextToken - length, nextToken).toArray();
    }

    RecordingSink add(String name, int[] prompt, int maxTokens) {
        return add(name, prompt, maxTokens, Integer.MAX_VALUE);
    }

    RecordingSink add(String name, int[] prompt, int maxTokens, int maxOffloadTokens) {
        RecordingSink sink = new RecordingSink();
        sinks.put(name, sink);
        GenerationRequest request = new GenerationRequest(
                name,
                prompt,
                SamplingParams.greedy(maxTokens),
                0,
                null,
                maxOffloadTokens,
                clock.monotonicNanos(),
                Long.MAX_VALUE,
                Long.MAX_VALUE);
        requests.put(name, request);
        learn(prompt, maxTokens);
        if (!loop.submit(request, sink)) {
            throw new IllegalStateException("inbox full");
        }
        return sink;
    }

    /** The output is known beforehand, so that all its blocks have a known index. */
    private void learn(int[] prompt, int maxTokens) {
        int[] tokens = java.util.Arrays.copyOf(prompt, prompt.length + maxTokens);
        for (int i = prompt.length; i < tokens.length; i++) {
            tokens[i] = SimulatedExecutor.nextToken(tokens, i, VOCABULARY);
        }
        BlockTable table = new BlockTable(null);
        table.extendHashes(hasher, tokens, tokens.length);
        for (int i = 0; i < table.hashed(); i++) {
            indices.put(table.hash(i), i);
        }
    }

    /** One turn; returns its copies. Audits all books afterwards. */
    List<String> step() {
        copies.clear();
        clock.advanceNanos(1_000_000);
        loop.runOnce();
        loop.verifyBooks();
        connector.verifyBooks();
        if (simulator.violation() != null) {
            throw new IllegalStateException(simulator.violation());
        }
        return List.copyOf(copies);
    }

    /** Turns until nothing is left to do; returns all copies. */
    List<String> runToEnd() {
        List<String> all = new ArrayList<>();
        do {
            all.addAll(step());
        } while (loop.hasRequests() || (loop.hasTransfers() && !holding));
        return all;
    }

    /** What a request without a stop must be answered. */
    List<Integer> demanded(String name) {
        int[] prompt = requests.get(name).promptTokenIds();
        int[] tokens = java.util.Arrays.copyOf(
                prompt, prompt.length + requests.get(name).sampling().maxTokens());
        List<Integer> demanded = new ArrayList<>();
        for (int i = prompt.length; i < tokens.length; i++) {
            tokens[i] = SimulatedExecutor.nextToken(tokens, i, VOCABULARY);
            demanded.add(tokens[i]);
        }
        return demanded;
    }

    /** Turns until there are copies; returns them. */
    List<String> stepsToCopies() {
        for (int i = 0; i < 100; i++) {
            List<String> found = step();
            if (!found.isEmpty()) {
                return found;
            }
        }
        return List.of();
    }

    long hostChunks(int blocksPerChunk) {
        return connector.snapshot().tier("host").used()
                / (blocksPerChunk * simulator.spec().blockBytes());
    }

    private final class Copies implements ModelExecutor {
        private final Map<Long, FinishedTransfer> held = new LinkedHashMap<>();
        private final Map<Long, BlockTransfer> open = new HashMap<>();
        private final Set<Long> awaited = new HashSet<>();

        @Override
        public ExecutorSpec spec() {
            return simulator.spec();
        }

        @Override
        public HostPages allocateHostPages(int count) {
            throw new UnsupportedOperationException();
        }

        @Override
        public PendingStep submit(StepPlan plan) {
            for (BlockTransfer store : plan.transfers().stores()) {
                note("store", store);
            }
            for (long job : plan.transfers().awaited()) {
                awaited.add(job);
                copies.add("flush " + describe(open.get(job)));
            }
            for (BlockTransfer load : plan.transfers().loads()) {
                note("load", load);
            }
            return simulator.submit(plan);
        }

        private void note(String kind, BlockTransfer transfer) {
            open.put(transfer.job(), transfer);
            copies.add(kind + " " + describe(transfer));
        }

        private String describe(BlockTransfer transfer) {
            List<Integer> blocks =
                    java.util.Arrays.stream(transfer.keys()).map(indices::get).toList();
            boolean row = IntStream.range(1, blocks.size()).allMatch(i -> blocks.get(i) == blocks.get(i - 1) + 1);
            return row && blocks.size() > 1
                    ? blocks.getFirst() + "-" + blocks.getLast()
                    : blocks.stream().map(String::valueOf).collect(Collectors.joining(" "));
        }

        @Override
        public List<FinishedTransfer> pollTransfers() {
            simulator.pollTransfers().forEach(ended -> held.put(ended.job(), ended));
            List<FinishedTransfer> told = new ArrayList<>();
            for (Iterator<FinishedTransfer> i = held.values().iterator(); i.hasNext(); ) {
                FinishedTransfer ended = i.next();
                if (!holding || awaited.contains(ended.job())) {
                    told.add(ended);
                    i.remove();
                }
            }
            return told;
        }

        @Override
        public void close() {}
    }
}
