package dev.sluice.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.executor.cpu.CpuExecutor;
import dev.sluice.executor.cpu.CpuSettings;
import dev.sluice.kv.BlockHasher;
import dev.sluice.kv.KvCache;
import dev.sluice.kv.KvCacheListener;
import dev.sluice.kv.KvLayout;
import dev.sluice.model.Model;
import dev.sluice.model.ModelDirectory;
import dev.sluice.offload.NoKvConnector;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.SamplingParams;
import dev.sluice.testkit.RecordingSink;
import dev.sluice.testkit.VirtualClock;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The real model behind the real scheduler: what a request answers does not depend on what happens around it. */
class SameAnswerTest {

    private static final int REQUESTS = 64;

    private static Model model;

    @BeforeAll
    static void open() {
        model = ModelDirectory.embedded();
    }

    @AfterAll
    static void close() {
        model.close();
    }

    @Test
    void aloneTogetherPreemptedOrCutTheTokensAreTheSame() {
        List<List<Integer>> alone = new ArrayList<>();
        for (int i = 0; i < REQUESTS; i++) {
            alone.add(answers(List.of(request(i)), 200, 2048, true, 2).answers().getFirst());
        }
        List<GenerationRequest> all = new ArrayList<>();
        for (int i = 0; i < REQUESTS; i++) {
            all.add(request(i));
        }
        assertThat(answers(all, 600, 2048, true, 2).answers()).isEqualTo(alone);
        assertThat(answers(all, 600, 64, false, 1).answers()).isEqualTo(alone);
        Run crowded = answers(all, 12, 37, true, 3);
        assertThat(crowded.preemptions())
                .as("the pool is small enough to matter")
                .isPositive();
        assertThat(crowded.answers()).isEqualTo(alone);
    }

    private record Run(List<List<Integer>> answers, int preemptions) {}

    private static Run answers(
            List<GenerationRequest> requests, int blocks, int budget, boolean prefixCaching, int threads) {
        KvLayout layout = new KvLayout(blocks + 1, 16);
        int context = blocks * 16;
        SchedulerSettings settings = new SchedulerSettings(
                Math.min(32, budget),
                budget,
                0,
                true,
                SchedulerSettings.Policy.FCFS,
                prefixCaching,
                false,
                0,
                SchedulerSettings.LoadFailurePolicy.RECOMPUTE,
                true,
                context,
                256,
                10);
        Bench.Ledger ledger = new Bench.Ledger();
        VirtualClock clock = new VirtualClock();
        try (CpuExecutor executor = new CpuExecutor(
                model.spec(),
                model.weights(),
                layout,
                context,
                new CpuSettings(threads, budget, settings.maxSequences()))) {
            SchedulerLoop loop = new SchedulerLoop(
                    settings,
                    new KvCache(layout, prefixCaching, KvCacheListener.NONE),
                    new BlockHasher(16, new byte[32]),
                    executor,
                    new NoKvConnector(),
                    ledger,
                    clock);
            List<RecordingSink> sinks = new ArrayList<>();
            for (GenerationRequest request : requests) {
                RecordingSink sink = new RecordingSink();
                sinks.add(sink);
                loop.submit(request, sink);
            }
            do {
                clock.advanceNanos(1);
                loop.runOnce();
                loop.verifyBooks();
            } while (loop.hasRequests());
            return new Run(sinks.stream().map(RecordingSink::tokens).toList(), ledger.preemptions);
        }
    }

    /** Greedy and sampled, with and without penalties, some with a common prefix. */
    private static GenerationRequest request(int number) {
        Random random = new Random(number);
        int[] prompt = new int[5 + random.nextInt(60)];
        for (int i = 0; i < prompt.length; i++) {
            prompt[i] = number % 3 == 0 && i < 32
                    ? 100 + i
                    : random.nextInt(model.spec().vocabularySize());
        }
        SamplingParams sampling = new SamplingParams.Builder()
                .maxTokens(4 + random.nextInt(12))
                .temperature(number % 2 == 0 ? 0 : 0.9f)
                .topP(number % 4 == 1 ? 0.9f : 1)
                .topK(number % 5 == 1 ? 20 : 0)
                .repetitionPenalty(number % 7 == 0 ? 1.2f : 1)
                .presencePenalty(number % 6 == 0 ? 0.5f : 0)
                .seed(number * 31L)
                .build();
        return new GenerationRequest(
                "r" + number,
                prompt,
                sampling,
                0,
                null,
                Integer.MAX_VALUE,
                number,
                Long.MAX_VALUE,
                Long.MAX_VALUE,
                false);
    }
}
