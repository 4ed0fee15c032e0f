package dev.sluice.scheduler;

import dev.sluice.executor.ExecutorSpec;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.PendingStep;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.StepResult;
import dev.sluice.executor.sim.FaultPlan;
import dev.sluice.executor.sim.SimulatedExecutor;
import dev.sluice.kv.BlockHasher;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.kv.KvCache;
import dev.sluice.kv.KvLayout;
import dev.sluice.offload.KvConnector;
import dev.sluice.offload.NoKvConnector;
import dev.sluice.request.FinishReason;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.PrefillRecord;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenSink;
import dev.sluice.testkit.RecordingSink;
import dev.sluice.testkit.VirtualClock;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A workbench for scenarios: the production loop on a virtual clock with an executor that always answers token 7, whose
 * plans are kept as {@code "a 3 new, b 1"} lines.
 */
final class Bench {

    static final int VOCABULARY = 100_000;
    static final int TOKEN = 7;

    final VirtualClock clock = new VirtualClock();
    final KvCache cache;
    final SchedulerLoop loop;
    final ModelExecutor executor;
    final Ledger ledger = new Ledger();
    final Map<String, RecordingSink> sinks = new LinkedHashMap<>();
    final Map<String, GenerationRequest> requests = new LinkedHashMap<>();
    private final Map<String, int[]> seen = new LinkedHashMap<>();
    final List<String> orders = new ArrayList<>();

    /** What was asked of the executor: {@code "submit 2", "join 1"}. */
    final List<String> calls = new ArrayList<>();

    int answer = TOKEN;

    /** Runs once, inside the next step, after its copies and before its result. */
    Runnable failLoadsInStep = () -> {};

    /** Thrown by the next steps, one each. */
    final Deque<RuntimeException> stepFailures = new ArrayDeque<>();

    /** Thrown when these steps, by number, are joined. */
    final Map<Long, RuntimeException> joinFailures = new HashMap<>();

    /** Puts another result in the place of the one that answers the plan. */
    BiFunction<StepPlan, StepResult, @Nullable StepResult> distortion = (plan, result) -> result;

    /** Requests that fail in whatever step they are in. */
    final Set<String> failing = new HashSet<>();

    /** Answers of single requests, in order; when they are used up, the common one again. */
    final Map<String, Deque<Integer>> answers = new HashMap<>();

    private @Nullable SimulatedExecutor simulator;

    private int nextPromptToken = 1000;
    private final List<String> names = new ArrayList<>();

    Bench(int blockSize, int blockCount, UnaryOperator<SettingsDraft> draft) {
        this(blockSize, blockCount, draft, new NoKvConnector());
    }

    Bench(int blockSize, int blockCount, UnaryOperator<SettingsDraft> draft, KvConnector connector) {
        KvLayout layout = new KvLayout(blockCount, blockSize);
        SchedulerSettings settings =
                draft.apply(new SettingsDraft((blockCount - 1) * blockSize)).build();
        cache = new KvCache(layout, settings.prefixCaching());
        executor = new FixedAnswer(layout, settings.contextLength());
        loop = new SchedulerLoop(
                settings, cache, new BlockHasher(blockSize, new byte[32]), executor, connector, ledger, clock);
    }

    /** With an executor that checks every work order, and answers as {@link #demanded} says. */
    static Bench simulated(int blockSize, int blockCount, UnaryOperator<SettingsDraft> draft) {
        Bench bench = new Bench(blockSize, blockCount, draft);
        KvLayout layout = new KvLayout(blockCount, blockSize);
        bench.simulator = new SimulatedExecutor(
                SimulatedExecutor.spec(VOCABULARY, blockCount * blockSize, layout), new FaultPlan() {
                    @Override
                    public boolean failsSequence(long step, long sequence) {
                        return bench.failing.contains(bench.name(sequence));
                    }
                });
        return bench;
    }

    /** What the simulated executor must have answered to a request's prompt. */
    List<Integer> demanded(String name) {
        int[] prompt = requests.get(name).promptTokenIds();
        int outputs = requests.get(name).sampling().maxTokens();
        int[] tokens = Arrays.copyOf(prompt, prompt.length + outputs);
        List<Integer> demanded = new ArrayList<>();
        for (int i = prompt.length; i < tokens.length; i++) {
            tokens[i] = SimulatedExecutor.nextToken(tokens, i, VOCABULARY);
            demanded.add(tokens[i]);
        }
        return demanded;
    }

    private String name(long sequence) {
        if (sequence == 0) {
            return "probe";
        }
        return sequence > names.size() ? "unknown" : names.get((int) sequence - 1);
    }

    /** A prompt that shares no token with any other. */
    int[] distinctPrompt(int length) {
        int[] prompt = new int[length];
        for (int i = 0; i < length; i++) {
            prompt[i] = nextPromptToken++ % VOCABULARY;
        }
        return prompt;
    }

    RecordingSink add(String name, int[] prompt, int maxTokens) {
        return add(name, prompt, SamplingParams.greedy(maxTokens), 0, clock.monotonicNanos(), null);
    }

    RecordingSink add(String name, int[] prompt, SamplingParams sampling, int priority, long arrival, String salt) {
        GenerationRequest request = new GenerationRequest(
                name, prompt, sampling, priority, salt, Integer.MAX_VALUE, arrival, Long.MAX_VALUE, Long.MAX_VALUE);
        return add(name, request);
    }

    RecordingSink add(String name, GenerationRequest request) {
        RecordingSink sink = new RecordingSink();
        sinks.put(name, sink);
        submit(name, request, sink);
        return sink;
    }

    void submit(String name, GenerationRequest request, TokenSink sink) {
        requests.put(name, request);
        names.add(name);
        if (!loop.submit(request, sink)) {
            throw new IllegalStateException("inbox full");
        }
    }

    /** One turn; returns its work order, "" if nothing was scheduled. Audits the books afterwards. */
    String step() {
        int before = orders.size();
        clock.advanceNanos(1_000_000);
        loop.runOnce();
        loop.verifyBooks();
        return orders.size() > before ? orders.getLast() : "";
    }

    List<String> runToEnd() {
        int first = orders.size();
        do {
            step();
        } while (loop.hasRequests());
        return orders.subList(first, orders.size());
    }

    int free() {
        return cache.pool().free();
    }

    /** All ids of a sequence as the executor last saw them. */
    int[] tokensOf(String name) {
        return seen.get(name);
    }

    PrefillRecord record(String name) {
        return sinks.get(name).prefill();
    }

    SchedulerSnapshot snapshot() {
        return loop.snapshot();
    }

    void cancel(String name) {
        loop.cancel(name, FinishReason.ABORT);
    }

    private final class FixedAnswer implements ModelExecutor {
        private final ExecutorSpec spec;
        private final StepResult[] results = {new StepResult(), new StepResult()};

        FixedAnswer(KvLayout layout, int contextLength) {
            spec = new ExecutorSpec("fixed", "test", VOCABULARY, contextLength, layout, 1, "none");
        }

        @Override
        public ExecutorSpec spec() {
            return spec;
        }

        @Override
        public HostPages allocateHostPages(int count) {
            throw new UnsupportedOperationException();
        }

        @Override
        public List<FinishedTransfer> pollTransfers() {
            return List.of();
        }

        @Override
        public boolean runsBesideItsCaller() {
            return true;
        }

        @Override
        public PendingStep submit(StepPlan plan) {
            calls.add("submit " + plan.step());
            StepResult result = results[(int) (plan.step() % 2)];
            result.begin(plan);
            List<String> lines = new ArrayList<>();
            for (int i = 0; i < plan.size(); i++) {
                var line = plan.get(i);
                String name = name(line.sequence);
                boolean isNew = line.sequence == 0 || !seen.containsKey(name);
                String kind = ledger.preempted.remove(name) ? " resumed" : isNew ? " new" : "";
                lines.add(name + " " + line.count + kind);
                seen.put(name, Arrays.copyOf(line.tokens, line.knownCount()));
                if (failing.contains(name)) {
                    result.setFailure(i, "injected failure");
                } else if (line.samples()) {
                    result.addToken(i, answerTo(name), null);
                }
            }
            orders.add(String.join(", ", lines));
            failLoadsInStep.run();
            failLoadsInStep = () -> {};
            if (!stepFailures.isEmpty()) {
                throw stepFailures.removeFirst();
            }
            PendingStep step = simulator == null ? PendingStep.done(result) : simulator.submit(plan);
            return new CountedStep(plan, step);
        }

        private int answerTo(String name) {
            Deque<Integer> script = answers.get(name);
            return script == null || script.isEmpty() ? answer : script.removeFirst();
        }

        @Override
        public void close() {}
    }

    private final class CountedStep implements PendingStep {
        private final StepPlan plan;
        private final long number;
        private final PendingStep step;

        CountedStep(StepPlan plan, PendingStep step) {
            this.plan = plan;
            number = plan.step();
            this.step = step;
        }

        @Override
        public StepResult join() {
            calls.add("join " + number);
            StepResult result = step.join();
            if (joinFailures.containsKey(number)) {
                throw joinFailures.get(number);
            }
            return distortion.apply(plan, result);
        }
    }

    /** Counts as the metrics do, from the same calls. */
    static final class Ledger implements LifecycleListener {
        final List<PrefillRecord> records = new ArrayList<>();
        final List<FinishReason> ends = new ArrayList<>();

        /** Sequences, prompt tokens and output tokens of each step. */
        final List<List<Integer>> steps = new ArrayList<>();

        /** Requests that were preempted and are not in a step again. */
        final Set<String> preempted = new HashSet<>();

        boolean broken;
        int preemptions;
        int generated;

        /** Tokens that were told as the first of their answer. */
        int firstTokens;

        int preemptedWithOutput;
        int failedLoads;
        private final Map<PromptWork, Integer> work = new EnumMap<>(PromptWork.class);
        long localQueries;
        long localHits;
        long localResumedQueries;
        long localResumedHits;
        long externalQueries;
        long externalHits;
        long externalResumedQueries;
        long externalResumedHits;
        long externalLookups;

        @Override
        public void onStep(int sequences, int promptTokens, int outputTokens, long nanos) {
            steps.add(List.of(sequences, promptTokens, outputTokens));
        }

        @Override
        public void onPreempted(RequestTimeline request) {
            preemptions++;
            preempted.add(request.request().id());
            preemptedWithOutput += request.outputTokens() > 0 ? 1 : 0;
        }

        @Override
        public void onPrefilled(RequestTimeline request, PrefillRecord record) {
            if (broken) {
                throw new IllegalStateException("the ledger is broken on purpose");
            }
            records.add(record);
        }

        @Override
        public void onToken(RequestTimeline request, long previousNanos) {
            if (broken) {
                throw new IllegalStateException("the ledger is broken on purpose");
            }
            generated++;
            firstTokens += previousNanos == RequestTimeline.NEVER ? 1 : 0;
        }

        @Override
        public void onLoadFailed(RequestTimeline request) {
            failedLoads++;
        }

        @Override
        public void onPromptWork(RequestTimeline request, PromptWork outcome, int tokens) {
            work.merge(outcome, tokens, Integer::sum);
        }

        int work(PromptWork outcome) {
            return work.getOrDefault(outcome, 0);
        }

        /** Prompt tokens that all steps together have computed. */
        int computed() {
            return steps.stream().mapToInt(step -> step.get(1)).sum();
        }

        @Override
        public void onFinished(RequestTimeline request, FinishReason reason) {
            ends.add(reason);
        }

        @Override
        public void onLocalLookup(int queriedTokens, int hitTokens, boolean resumed) {
            if (resumed) {
                localResumedQueries += queriedTokens;
                localResumedHits += hitTokens;
            } else {
                localQueries += queriedTokens;
                localHits += hitTokens;
            }
        }

        @Override
        public void onExternalLookup(int queriedTokens, int hitTokens, boolean resumed) {
            externalLookups++;
            if (resumed) {
                externalResumedQueries += queriedTokens;
                externalResumedHits += hitTokens;
            } else {
                externalQueries += queriedTokens;
                externalHits += hitTokens;
            }
        }
    }
}
