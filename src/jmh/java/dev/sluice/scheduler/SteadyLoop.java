package dev.sluice.scheduler;

import dev.sluice.executor.ModelExecutor;
import dev.sluice.kv.BlockHasher;
import dev.sluice.kv.KvCache;
import dev.sluice.offload.NoKvConnector;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenEvent;
import dev.sluice.request.TokenSink;
import dev.sluice.runtime.SystemClock;
import java.util.function.LongFunction;

/** A scheduler loop with 256 running sequences. One that ends is followed by another, so there are always as many. */
public final class SteadyLoop {

    public static final int SEQUENCES = 256;
    public static final int PROMPT = 100;

    private final SchedulerLoop loop;
    private final LongFunction<SamplingParams> sampling;
    private final int vocabularySize;
    private long next;

    /**
     * Admits the first sequences.
     *
     * @param overlap steps are begun ahead where that is possible
     * @param sampling of each request, by its number: lengths should differ, so that ends are spread over the steps
     */
    public SteadyLoop(ModelExecutor executor, boolean overlap, LongFunction<SamplingParams> sampling) {
        this.sampling = sampling;
        vocabularySize = executor.spec().vocabularySize();
        SchedulerSettings settings = new SchedulerSettings(
                SEQUENCES,
                2048,
                0,
                true,
                SchedulerSettings.Policy.FCFS,
                true,
                true,
                0,
                SchedulerSettings.LoadFailurePolicy.RECOMPUTE,
                overlap,
                executor.spec().contextLength(),
                4096,
                10);
        loop = new SchedulerLoop(
                settings,
                new KvCache(executor.spec().kv(), true),
                new BlockHasher(executor.spec().kv().blockSize(), new byte[32]),
                executor,
                new NoKvConnector(),
                new LifecycleListener() {},
                new SystemClock());
        for (int i = 0; i < SEQUENCES; i++) {
            submit();
        }
        while (loop.snapshot().running() < SEQUENCES) {
            loop.runOnce();
        }
    }

    private void submit() {
        int[] prompt = new int[PROMPT];
        for (int i = 0; i < PROMPT; i++) {
            prompt[i] = (int) ((next * 31 + i) % vocabularySize);
        }
        TokenSink sink = event -> {
            if (event instanceof TokenEvent.Finished) {
                submit();
            }
            return true;
        };
        long number = next++;
        loop.submit(
                new GenerationRequest(
                        "r" + number,
                        prompt,
                        sampling.apply(number),
                        0,
                        null,
                        Integer.MAX_VALUE,
                        0,
                        Long.MAX_VALUE,
                        Long.MAX_VALUE),
                sink);
    }

    /** One step: about 256 tokens. */
    public int step() {
        return loop.runOnce();
    }
}
