package dev.sluice.executor.cuda;

import dev.sluice.executor.cuda.kernels.KernelImages;
import dev.sluice.executor.cuda.weights.QuantizationChoice;
import dev.sluice.kv.BlockHasher;
import dev.sluice.kv.KvCache;
import dev.sluice.kv.KvCacheListener;
import dev.sluice.model.Model;
import dev.sluice.model.ModelDirectory;
import dev.sluice.offload.NoKvConnector;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenEvent;
import dev.sluice.request.TokenSink;
import dev.sluice.runtime.SystemClock;
import dev.sluice.scheduler.LifecycleListener;
import dev.sluice.scheduler.SchedulerLoop;
import dev.sluice.scheduler.SchedulerSettings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What a step of 256 decoding sequences costs the host: planning, the upload of its numbers, the launch of its graph, and
 * reading the ids, with steps begun ahead. The driver is the fake one: its calls are counted too, and copy at once, but no
 * kernel runs.
 *
 * <p>Outputs are long, so that few steps admit a sequence: the median is a step that only decodes.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class CudaStepBenchmark {

    private static final int SEQUENCES = 256;
    private static final int PROMPT = 100;
    private static final int OUTPUT_MIN = 6_000;
    private static final int BLOCK_SIZE = 16;
    /** As many layers as Llama-3.1-8B has, and so as many kernels; their widths cost the host nothing. */
    private static final String CONFIG = """
            {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "intermediate_size": 128,
             "num_hidden_layers": 32, "num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 64,
             "vocab_size": 1024, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "tie_word_embeddings": true,
             "hidden_act": "silu", "eos_token_id": 2}
            """;

    /** Whether tokens are drawn; else the best is taken. */
    @Param({"false", "true"})
    public boolean sampled;

    private Model model;
    private CudaExecutor executor;
    private SchedulerLoop loop;
    private long next;

    @Setup
    public void start() throws IOException {
        FakeCuda fake = FakeCuda.fresh();
        if (fake == null) {
            throw new IllegalStateException("the fake driver needs a C compiler");
        }
        fake.memory(64L << 30);
        fake.freshMemory(0); // so every sampled id is 0
        Path directory = Files.createTempDirectory("shape");
        Files.writeString(directory.resolve("config.json"), CONFIG);
        model = ModelDirectory.openWithoutWeights(directory, false);
        int blocks = SEQUENCES * 8192 / BLOCK_SIZE;
        CudaSettings settings =
                new CudaSettings(0, 0, 2048, SEQUENCES, BLOCK_SIZE, blocks, 0.9, QuantizationChoice.NONE);
        executor = CudaExecutor.open(
                FakeCuda.library(),
                new KernelImages(file -> new byte[64], List.of(), null),
                model.spec(),
                model.weights(),
                settings);
        loop = new SchedulerLoop(
                new SchedulerSettings(
                        SEQUENCES,
                        2048,
                        0,
                        true,
                        SchedulerSettings.Policy.FCFS,
                        true,
                        true,
                        0,
                        SchedulerSettings.LoadFailurePolicy.RECOMPUTE,
                        true,
                        executor.spec().contextLength(),
                        SEQUENCES,
                        10),
                new KvCache(executor.spec().kv(), true, KvCacheListener.NONE),
                new BlockHasher(BLOCK_SIZE, new byte[32]),
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
            prompt[i] = (int) ((next * 31 + i) % 1000);
        }
        TokenSink sink = event -> {
            if (event instanceof TokenEvent.Finished) {
                submit();
            }
            return true;
        };
        loop.submit(
                new GenerationRequest(
                        "r" + next++,
                        prompt,
                        new SamplingParams.Builder()
                                .temperature(sampled ? 1 : 0)
                                .topP(0.9f)
                                .topK(50)
                                .seed(next)
                                .maxTokens(OUTPUT_MIN + (int) (next * 7 % 2000))
                                .build(),
                        0,
                        null,
                        Integer.MAX_VALUE,
                        0,
                        Long.MAX_VALUE,
                        Long.MAX_VALUE,
                        false),
                sink);
    }

    @TearDown
    public void stop() {
        executor.close();
        model.close();
    }

    /** One step: about 256 tokens. */
    @Benchmark
    public int step() {
        return loop.runOnce();
    }
}
