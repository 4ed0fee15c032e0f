package dev.sluice.executor.cuda;

import dev.sluice.executor.StepPlan;
import dev.sluice.executor.cuda.driver.CopyBenchmark;
import dev.sluice.executor.cuda.driver.CudaContext;
import dev.sluice.executor.cuda.driver.CudaStream;
import dev.sluice.executor.cuda.driver.DeviceClock;
import dev.sluice.executor.cuda.kernels.CudaKernels;
import dev.sluice.executor.cuda.kernels.ElementFormat;
import dev.sluice.executor.cuda.kernels.HalfType;
import dev.sluice.executor.cuda.products.ProductBenchmark;
import dev.sluice.executor.cuda.step.AttentionBenchmark;
import dev.sluice.executor.cuda.weights.CudaWeights;
import dev.sluice.executor.cuda.weights.LinearFormats;
import dev.sluice.executor.cuda.weights.QuantizationChoice;
import dev.sluice.executor.cuda.weights.WeightTable;
import dev.sluice.kv.BlockHash;
import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.TransferPlan;
import dev.sluice.model.Model;
import dev.sluice.model.ModelDirectory;
import dev.sluice.model.ModelSpec;
import dev.sluice.testkit.PlanDriver;
import dev.sluice.testkit.PlanDriver.Run;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * Steps of the CUDA executor as shares of what the device can do, all measured in one run, with random weights.
 *
 * <p>Arguments, in any order: a shape, {@code llama-8b} by default, {@code tiny} for trying the program on the emulated GPU,
 * where its figures mean nothing, or {@code two-layers} for a profiler; {@code kernels} or {@code steps} if not both are to be
 * measured; how linear layers are quantized, {@code none}, {@code int8} or {@code fp8}.
 */
public final class CudaBenchmark {

    /** A model and how much of it is measured. */
    private record Shape(
            int hidden,
            int intermediate,
            int layers,
            int heads,
            int kvHeads,
            int vocabulary,
            int context,
            int prefill,
            int batch,
            int warmups,
            int steps,
            int transferBlocks) {

        /** Named by the arguments. */
        static Shape of(Set<String> words) {
            return words.contains("tiny") ? TINY : words.contains("two-layers") ? TWO_LAYERS : LLAMA_8B;
        }

        String config() {
            return """
                    {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": %d,
                     "intermediate_size": %d, "num_hidden_layers": %d, "num_attention_heads": %d,
                     "num_key_value_heads": %d, "vocab_size": %d, "max_position_embeddings": 131072,
                     "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "tie_word_embeddings": false, "hidden_act": "silu",
                     "eos_token_id": 2}
                    """.formatted(hidden, intermediate, layers, heads, kvHeads, vocabulary);
        }
    }

    /** What the device can do: a second, unknown if nobody has measured it. */
    private record Ceilings(double bandwidth, double peak, double pinnedRate) {

        static final Ceilings UNKNOWN = new Ceilings(Double.NaN, Double.NaN, Double.NaN);
    }

    // 200 steps: fewer would measure the interpreter. Their tokens are a part of the context.
    private static final Shape LLAMA_8B = new Shape(4096, 14336, 32, 32, 8, 128256, 1024, 8192, 64, 200, 50, 512);
    private static final Shape TINY = new Shape(64, 128, 2, 4, 2, 256, 40, 64, 4, 3, 3, 4);
    /** Long prompts, because the profiler looks at the first launches of each kernel. */
    private static final Shape TWO_LAYERS = new Shape(4096, 14336, 2, 32, 8, 128256, 32768, 8192, 4, 3, 3, 0);

    private static final int HEAD_DIM = 128; // of the kernels that are measured alone
    private static final long WARM_UP_NANOS_MAX = 20_000_000_000L;
    private static final Set<String> WORDS =
            Set.of("llama-8b", "tiny", "two-layers", "kernels", "steps", "none", "int8", "fp8");

    private final Shape shape;
    private final ModelSpec model;
    private final long weightBytes;
    private final long weightNumbers;
    private final CudaExecutor executor;
    private final Ceilings ceilings;
    private final PlanDriver driver;

    private CudaBenchmark(
            Shape shape, Model model, QuantizationChoice quantization, CudaExecutor executor, Ceilings ceilings) {
        this.shape = shape;
        this.model = model.spec();
        weightBytes = weights(model, quantization);
        weightNumbers = weights(model, QuantizationChoice.NONE) / Short.BYTES;
        this.executor = executor;
        this.ceilings = ceilings;
        driver = new PlanDriver(executor);
    }

    public static void main(String[] args) throws IOException {
        Locale.setDefault(Locale.ROOT);
        Set<String> words = Set.of(args);
        if (!WORDS.containsAll(words)) {
            throw new IllegalArgumentException("known are " + WORDS);
        }
        Shape shape = Shape.of(words);
        TestGpu gpu = TestGpu.fresh();
        if (gpu == null || (shape != TINY && !TestGpu.isReal())) {
            System.out.println("There is no GPU here: nothing was measured.");
            System.exit(3);
        }
        boolean all = !words.contains("kernels") && !words.contains("steps");
        Ceilings ceilings = Ceilings.UNKNOWN;
        if (shape != TWO_LAYERS) {
            ceilings = kernels(gpu, shape == TINY, all || words.contains("kernels"));
        }
        if (all || words.contains("steps")) {
            steps(gpu, shape, quantization(words), ceilings);
        }
    }

    /** Measures the ceilings, and if wanted the kernels that are measured alone. */
    private static Ceilings kernels(TestGpu gpu, boolean tiny, boolean all) {
        try (Arena host = Arena.ofShared();
                CudaContext context = gpu.context()) {
            DeviceClock clock = new DeviceClock(CudaStream.create(context, 0), tiny ? 64 : 1);
            CudaKernels kernels = new CudaKernels(context, gpu.images(), HalfType.BF16, HEAD_DIM, ElementFormat.HALF);
            CopyBenchmark copies = new CopyBenchmark(clock);
            try (ProductBenchmark products = new ProductBenchmark(clock, kernels, host, TestGpu.cublasLibrary())) {
                Ceilings ceilings = new Ceilings(copies.bandwidth(), products.matrixPeak(), copies.pinnedRate());
                if (all) {
                    products.products(ceilings.bandwidth, ceilings.peak);
                    AttentionBenchmark attention = new AttentionBenchmark(clock, kernels, host);
                    attention.decode(ceilings.bandwidth);
                    attention.prefill(ceilings.peak);
                }
                return ceilings;
            }
        }
    }

    private static QuantizationChoice quantization(Set<String> words) {
        return words.contains("int8")
                ? QuantizationChoice.INT8
                : words.contains("fp8") ? QuantizationChoice.FP8 : QuantizationChoice.NONE;
    }

    private static void steps(TestGpu gpu, Shape shape, QuantizationChoice quantization, Ceilings ceilings)
            throws IOException {
        Path directory = Files.createTempDirectory("shape");
        Files.writeString(directory.resolve("config.json"), shape.config());
        boolean measured = shape != TWO_LAYERS; // a profiler shall see the products of steps first
        CudaSettings settings = new CudaSettings(
                0,
                0,
                shape.prefill,
                shape.batch,
                16,
                shape == TINY ? 64 : 0,
                measured ? 0.9 : 0.3,
                quantization,
                null,
                measured,
                true,
                TestGpu.cublasLibrary());
        try (Model model = ModelDirectory.openWithoutWeights(directory, false);
                CudaExecutor executor = gpu.open(model, settings)) {
            CudaBenchmark benchmark = new CudaBenchmark(shape, model, quantization, executor, ceilings);
            benchmark.prefill();
            benchmark.decode(1, 0.85);
            benchmark.decode(shape.batch, 0.75);
            if (shape.transferBlocks > 0) {
                benchmark.offload();
            }
        }
    }

    private static long weights(Model model, QuantizationChoice quantization) {
        WeightTable table = new WeightTable(0, LinearFormats.of(quantization, model.spec(), model.weights()));
        CudaWeights.place(model.spec(), table, false);
        return table.bytes();
    }

    private Run[] prefilled(int count, int length) {
        Run[] runs = new Run[count];
        for (int i = 0; i < count; i++) {
            int[] prompt = new int[length];
            Arrays.setAll(prompt, p -> (p * 31 + 7) % model.vocabularySize());
            runs[i] = driver.start(prompt);
            while (runs[i].computed < length) {
                driver.begin();
                int taken = Math.min(shape.prefill, length - runs[i].computed);
                driver.schedule(runs[i], taken);
                driver.submit();
                runs[i].computed += taken;
            }
            runs[i].append(1);
        }
        return runs;
    }

    private void release(Run... runs) {
        for (Run run : runs) {
            driver.release(run);
        }
    }

    private void prefill() {
        double[] seconds = new double[5];
        for (int i = 0; i < seconds.length; i++) {
            long start = System.nanoTime();
            release(prefilled(1, shape.prefill));
            seconds[i] = (System.nanoTime() - start) / 1e9;
        }
        double best = Arrays.stream(seconds).min().orElseThrow();
        double products =
                2.0 * shape.prefill * (weightNumbers - (double) model.vocabularySize() * model.hiddenSize() * 2);
        double attention = 2.0 * model.layers() * model.heads() * model.headDim() * shape.prefill * shape.prefill;
        double rate = (products + attention) / best;
        DeviceClock.report(
                "prefill of %d tokens".formatted(shape.prefill),
                best * 1e3,
                "%.0f TFLOP/s".formatted(rate / 1e12),
                rate / ceilings.peak,
                0.65);
    }

    private void decode(int batch, double goal) {
        Run[] runs = prefilled(batch, shape.context - shape.warmups);
        double[] seconds = new double[shape.steps];
        double[] host = new double[shape.steps];
        int context;
        try (DecodeSteps steps = new DecodeSteps(executor, driver, runs)) {
            warmUp(steps);
            context = runs[0].computed;
            for (int i = 0; i < shape.steps; i++) {
                seconds[i] = steps.next();
                host[i] = steps.hostSeconds();
            }
        }
        double median = median(seconds);
        double bytes = weightBytes
                - 2.0 * model.vocabularySize() * model.hiddenSize() // one row of the embedding is read
                + (double) batch
                        * (context + shape.steps / 2)
                        * executor.spec().blockBytes()
                        / executor.spec().kv().blockSize();
        DeviceClock.report(
                "decode step, batch %d, context %d".formatted(batch, context),
                median * 1e3,
                "%.2f TB/s".formatted(bytes / median / 1e12),
                bytes / median / ceilings.bandwidth,
                goal);
        DeviceClock.report(
                "host time to give a step, batch " + batch, median(host) * 1e3, "", median(host) / median, 0.05);
        release(runs);
    }

    /** Until graphs are recorded and Java is compiled; but a device that is far too slow shall be measured too. */
    private void warmUp(DecodeSteps steps) {
        long start = System.nanoTime();
        for (int i = 0; i < shape.warmups && System.nanoTime() - start < WARM_UP_NANOS_MAX; i++) {
            steps.next();
        }
    }

    private static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }

    /** Copies of many blocks against one plain copy of as many bytes, and what they cost steps that run meanwhile. */
    private void offload() {
        int count = shape.transferBlocks;
        executor.allocateHostPages(count);
        Run[] runs = prefilled(Math.min(shape.batch, 16), shape.context - shape.warmups);
        try (DecodeSteps steps = new DecodeSteps(executor, driver, runs)) {
            warmUp(steps);
        }
        double alone = decodeSteps(runs, null);
        int[] blocks = new int[count];
        Arrays.setAll(blocks, i -> 1 + (i * 7) % (executor.spec().kv().usableBlocks() - 1)); // no neighbours
        int[] pages = new int[count];
        Arrays.setAll(pages, i -> i);
        BlockHash[] keys = new BlockHash[count];
        Arrays.setAll(keys, i -> new BlockHash(i, 0, 0, 0));
        for (boolean store : new boolean[] {true, false}) {
            BlockTransfer transfer = new BlockTransfer(store ? 1 : 2, blocks, pages, keys, false);
            StepPlan plan = driver.begin();
            plan.setTransfers(new TransferPlan(
                    new long[0], store ? List.of(transfer) : List.of(), store ? List.of() : List.of(transfer)));
            List<Long> nanos = new ArrayList<>();
            executor.submit(plan).join();
            double together = decodeSteps(runs, nanos);
            double rate = count * executor.spec().blockBytes() / (nanos.getFirst() / 1e9);
            String name = (store ? "store" : "load") + " of %d blocks".formatted(count);
            DeviceClock.report(
                    name, nanos.getFirst() / 1e6, "%.1f GB/s".formatted(rate / 1e9), rate / ceilings.pinnedRate, 0.9);
            DeviceClock.report(
                    "decode steps beside a " + name,
                    together * 1e3,
                    "alone %.3f ms".formatted(alone * 1e3),
                    together / alone,
                    1.03);
        }
        release(runs);
    }

    /** Median of steps; until a copy has ended, if there is one. */
    private double decodeSteps(Run[] runs, List<Long> ended) {
        List<Double> seconds = new ArrayList<>();
        try (DecodeSteps steps = new DecodeSteps(executor, driver, runs)) {
            while (ended == null ? seconds.size() < shape.steps : ended.isEmpty()) {
                seconds.add(steps.next());
                if (ended != null) {
                    executor.pollTransfers().forEach(end -> ended.add(end.nanos()));
                }
            }
        }
        return median(seconds.stream().mapToDouble(Double::doubleValue).toArray());
    }
}
