package dev.sluice.executor.cuda;

import dev.sluice.executor.PendingStep;
import dev.sluice.executor.StepPlan;
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
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Steps of the CUDA executor as shares of what the device can do, all measured in one run, with random weights.
 *
 * <p>Argument: a shape, {@code llama-8b} by default; {@code tiny} is for trying the program on the emulated GPU, where its
 * figures mean nothing. A second one says how linear layers are quantized: {@code none}, {@code int8} or {@code fp8}.
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
            int steps,
            int transferBlocks) {

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

    private static final Shape LLAMA_8B = new Shape(4096, 14336, 32, 32, 8, 128256, 1024, 8192, 64, 50, 512);
    private static final Shape TINY = new Shape(64, 128, 2, 4, 2, 256, 40, 64, 4, 3, 4);

    private final Shape shape;
    private final ModelSpec model;
    private final long weightBytes;
    private final long weightNumbers;
    private final CudaExecutor executor;
    private final double bandwidth;
    private final double peak;
    private final double plainRate;
    private final PlanDriver driver;

    private CudaBenchmark(
            Shape shape,
            Model model,
            QuantizationChoice quantization,
            CudaExecutor executor,
            double bandwidth,
            double peak,
            double plainRate) {
        this.shape = shape;
        this.model = model.spec();
        weightBytes = weights(model, quantization);
        weightNumbers = weights(model, QuantizationChoice.NONE) / Short.BYTES;
        this.executor = executor;
        this.bandwidth = bandwidth;
        this.peak = peak;
        this.plainRate = plainRate;
        driver = new PlanDriver(executor);
    }

    public static void main(String[] args) throws IOException {
        Locale.setDefault(Locale.ROOT);
        Shape shape = args.length > 0 && args[0].equals("tiny") ? TINY : LLAMA_8B;
        QuantizationChoice quantization = args.length > 1
                ? QuantizationChoice.valueOf(args[1].toUpperCase(Locale.ROOT))
                : QuantizationChoice.NONE;
        TestGpu gpu = TestGpu.fresh();
        if (gpu == null || (shape != TINY && !TestGpu.isReal())) {
            System.out.println("There is no GPU here: nothing was measured.");
            return;
        }
        CudaKernelBenchmark kernels = new CudaKernelBenchmark(gpu, shape == TINY);
        double bandwidth = kernels.copyBandwidth();
        double peak = kernels.matrixPeak();
        double pinned = kernels.pinnedRate();
        kernels.products(bandwidth, peak);
        kernels.decodeAttention(bandwidth);
        kernels.close();
        Path directory = Files.createTempDirectory("shape");
        Files.writeString(directory.resolve("config.json"), shape.config());
        try (Model model = ModelDirectory.openWithoutWeights(directory, false);
                CudaExecutor executor = gpu.open(
                        model,
                        new CudaSettings(
                                0,
                                0,
                                shape.prefill,
                                shape.batch,
                                16,
                                shape == TINY ? 64 : 0,
                                0.9,
                                quantization,
                                null,
                                true,
                                true))) {
            CudaBenchmark benchmark = new CudaBenchmark(shape, model, quantization, executor, bandwidth, peak, pinned);
            benchmark.prefill();
            benchmark.decode(1, 0.85);
            benchmark.decode(shape.batch, 0.75);
            benchmark.offload();
        }
    }

    private static long weights(Model model, QuantizationChoice quantization) {
        WeightTable table = new WeightTable(0, LinearFormats.of(quantization, model.spec(), model.weights()));
        CudaWeights.place(model.spec(), table);
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
        report(
                "prefill of %d tokens".formatted(shape.prefill),
                best * 1e3,
                "%.0f TFLOP/s".formatted(rate / 1e12),
                rate / peak,
                0.65);
    }

    private void decode(int batch, double goal) {
        Run[] runs = prefilled(batch, shape.context);
        driver.step(1, runs);
        driver.step(1, runs); // recorded
        double[] steps = new double[shape.steps];
        double[] host = new double[shape.steps];
        for (int i = 0; i < steps.length; i++) {
            StepPlan plan = driver.begin();
            for (Run run : runs) {
                driver.schedule(run, 1);
            }
            long start = System.nanoTime();
            PendingStep step = executor.submit(plan);
            host[i] = (System.nanoTime() - start) / 1e9;
            var result = step.join();
            steps[i] = (System.nanoTime() - start) / 1e9;
            for (int r = 0; r < batch; r++) {
                runs[r].computed++;
                runs[r].append(Math.max(0, result.token(r)));
            }
        }
        Arrays.sort(steps);
        Arrays.sort(host);
        double median = steps[steps.length / 2];
        double bytes = weightBytes
                - 2.0 * model.vocabularySize() * model.hiddenSize() // one row of the embedding is read
                + (double) batch
                        * shape.context
                        * executor.spec().blockBytes()
                        / executor.spec().kv().blockSize();
        report(
                "decode step, batch %d, context %d".formatted(batch, shape.context),
                median * 1e3,
                "%.2f TB/s".formatted(bytes / median / 1e12),
                bytes / median / bandwidth,
                goal);
        report(
                "host time to give a step, batch " + batch,
                host[host.length / 2] * 1e3,
                "",
                host[host.length / 2] / median,
                0.05);
        release(runs);
    }

    /** Copies of many blocks against one plain copy of as many bytes, and what they cost steps that run meanwhile. */
    private void offload() {
        int count = shape.transferBlocks;
        executor.allocateHostPages(count);
        Run[] runs = prefilled(Math.min(shape.batch, 16), shape.context);
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
            report(name, nanos.getFirst() / 1e6, "%.1f GB/s".formatted(rate / 1e9), rate / plainRate, 0.9);
            report(
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
        while (ended == null ? seconds.size() < shape.steps : ended.isEmpty()) {
            long start = System.nanoTime();
            driver.begin();
            for (Run run : runs) {
                driver.schedule(run, 1);
            }
            driver.submit();
            seconds.add((System.nanoTime() - start) / 1e9);
            if (ended != null) {
                executor.pollTransfers().forEach(end -> ended.add(end.nanos()));
            }
        }
        seconds.sort(null);
        return seconds.get(seconds.size() / 2);
    }

    static void report(String what, double millis, String figure, double ratio, double goal) {
        System.out.printf("| %-44s | %10.3f ms | %-18s | %5.2f | goal %.2f |%n", what, millis, figure, ratio, goal);
    }
}
