package dev.sluice.executor.cpu;

import dev.sluice.executor.cpu.PackedMatrix.Format;
import dev.sluice.kv.KvLayout;
import dev.sluice.model.Model;
import dev.sluice.model.ModelDirectory;
import dev.sluice.model.ModelSpec;
import dev.sluice.testkit.PlanDriver;
import dev.sluice.testkit.PlanDriver.Run;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.util.Random;
import java.util.function.IntConsumer;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Kernels and decode steps as shares of what the machine can do, all measured in one run.
 *
 * <p>A program, not a JMH class: the ceilings and the kernels must be measured in turn, seconds apart, because the
 * machine may be shared. Arguments: threads (2), seconds per figure (0.4), and what: all, decode, or a weight
 * format.
 */
public final class KernelBenchmark {

    private static final int INPUTS = 2048;
    private static final int OUTPUTS = 8192;
    private static final long FAR_BYTES = 640L << 20; // what caches cannot hold, also when they are large

    private static final com.sun.management.ThreadMXBean THREADS =
            (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();

    private final Workers workers;
    private final int threads;
    private final double seconds;
    private final Arena memory = Arena.ofShared();
    private final MemorySegment far = memory.allocate(FAR_BYTES, 64);
    private final float[][] sink;

    private KernelBenchmark(int threads, double seconds) {
        this.threads = threads;
        this.seconds = seconds;
        workers = new Workers("bench", threads);
        sink = new float[threads][64];
        for (long at = 0; at < FAR_BYTES; at += 4) { // sane numbers in every format
            far.set(ValueLayout.JAVA_INT, at, 0x3c003c00 | ((int) (at * 2_654_435_761L) & 0x007f007f));
        }
    }

    public static void main(String[] args) {
        int threads = args.length > 0 ? Integer.parseInt(args[0]) : 2;
        double seconds = args.length > 1 ? Double.parseDouble(args[1]) : 0.4;
        KernelBenchmark bench = new KernelBenchmark(threads, seconds);
        String what = args.length > 2 ? args[2] : "all";
        if (!what.equals("decode")) {
            bench.products(what);
        }
        if (what.equals("all") || what.equals("decode")) {
            bench.decode();
        }
        bench.workers.close();
        bench.memory.close();
    }

    private void products(String what) {
        TensorOps ops = new VectorOps();
        print("%d threads, %s, (K, N) = (%d, %d)%n", threads, ops.description(), INPUTS, OUTPUTS);
        for (int repeat = 0; repeat < 2; repeat++) { // the first round compiles
            double bandwidth = readBandwidth(FAR_BYTES);
            double peak = fmaPeak();
            print("ceilings: read %.1f GB/s, fma %.0f GFLOP/s%n", bandwidth / 1e9, peak / 1e9);
            for (Format format : Format.values()) {
                if (!what.equals("all") && !what.equals(format.name())) {
                    continue;
                }
                for (int rows : new int[] {1, 4, 8, 32, 128}) {
                    double time = product(ops, format, rows);
                    double bytes = PackedMatrix.bytes(format, INPUTS, OUTPUTS / PackedMatrix.PAIR);
                    double flops = 2.0 * rows * INPUTS * OUTPUTS;
                    print(
                            "%-4s M=%-3d %7.2f ms  %5.1f GB/s = %3.0f %% of read  %5.0f GFLOP/s = %3.0f %% of fma%n",
                            format,
                            rows,
                            time * 1e3,
                            bytes / time / 1e9,
                            100 * bytes / time / bandwidth,
                            flops / time / 1e9,
                            100 * flops / time / peak);
                }
            }
        }
    }

    private double product(TensorOps ops, Format format, int rows) {
        int pairs = OUTPUTS / PackedMatrix.PAIR;
        long bytes = PackedMatrix.bytes(format, INPUTS, pairs);
        PackedMatrix[] matrices = new PackedMatrix[(int) (FAR_BYTES / bytes)];
        for (int i = 0; i < matrices.length; i++) {
            matrices[i] = new PackedMatrix(format, INPUTS, pairs, far.asSlice(i * bytes, bytes), null, null);
        }
        PackedRows input = new PackedRows(INPUTS, rows, ops.tileRows());
        input.begin(rows);
        Random random = new Random(1);
        for (int i = 0; i < input.data().length; i++) {
            input.data()[i] = random.nextFloat() - 0.5f;
        }
        Gemm gemm = new Gemm(ops, workers, memory, rows);
        Epilogue output = new Epilogue.Store(new float[rows * OUTPUTS], OUTPUTS);
        return best(i -> gemm.run(input, matrices[i % matrices.length], output));
    }

    private void decode() {
        try (Model model = ModelDirectory.embedded()) {
            DecoderWeights weights =
                    DecoderWeights.load(model.spec(), new MatrixPacker(model.weights(), memory, workers));
            CpuSettings settings = new CpuSettings(threads, 512, 32);
            KvLayout layout = new KvLayout(4096, 16);
            try (CpuExecutor executor = new CpuExecutor(model.spec(), model.weights(), layout, 2048, settings)) {
                for (int context : new int[] {64, 64, 1024}) {
                    for (int batch : new int[] {1, 8, 32}) {
                        decode(executor, model.spec(), weights, context, batch);
                    }
                }
                prefill(executor);
            }
        }
    }

    private void decode(CpuExecutor executor, ModelSpec spec, DecoderWeights weights, int context, int batch) {
        PlanDriver driver = new PlanDriver(executor);
        Run[] runs = new Run[batch];
        for (int i = 0; i < batch; i++) {
            runs[i] = driver.start(new Random(i).ints(context, 3, 6000).toArray());
        }
        while (runs[0].computed < context) {
            driver.step(512, runs);
        }
        long allocated = THREADS.getTotalThreadAllocatedBytes();
        int[] steps = {0};
        double time = best(
                i -> {
                    driver.step(1, runs);
                    steps[0]++;
                },
                256);
        allocated = (THREADS.getTotalThreadAllocatedBytes() - allocated) / steps[0];
        double products = products(spec, weights, batch);
        long bytes = productBytes(weights);
        double bound = bytes / readBandwidth(FAR_BYTES);
        double cached = bytes / readBandwidth(bytes); // weights this small may stay in a large cache
        print(
                "decode at %4d, batch %2d: step %.3f ms, %5.0f tokens/s; products %.3f ms; reading %d MB takes %.3f ms"
                        + " from memory, %.0f %% of the products, %.0f %% of the step (%.3f ms if a cache holds them);"
                        + " %d bytes allocated a step%n",
                context,
                batch,
                time * 1e3,
                batch / time,
                products * 1e3,
                bytes / 1_000_000,
                bound * 1e3,
                100 * bound / products,
                100 * bound / time,
                cached * 1e3,
                allocated);
    }

    /** All matrix products of one step and nothing else. */
    private double products(ModelSpec spec, DecoderWeights weights, int rows) {
        TensorOps ops = new VectorOps();
        Gemm gemm = new Gemm(ops, workers, memory, rows);
        PackedRows hidden = new PackedRows(spec.hiddenSize(), rows, ops.tileRows());
        PackedRows inner = new PackedRows(spec.intermediateSize(), rows, ops.tileRows());
        hidden.begin(rows);
        inner.begin(rows);
        Epilogue store = new Epilogue.Store(new float[rows * spec.vocabularySize()], spec.vocabularySize());
        Epilogue gate = new Epilogue.Gate(inner, spec.intermediateSize());
        return best(i -> {
            for (LayerWeights layer : weights.layers()) {
                gemm.run(hidden, layer.attention(), store);
                gemm.run(hidden, layer.attentionOutput(), store);
                gemm.run(hidden, layer.feedForward(), gate);
                gemm.run(inner, layer.feedForwardOutput(), store);
            }
            gemm.run(hidden, weights.head(), store);
        });
    }

    private static long productBytes(DecoderWeights weights) {
        long bytes = weights.head().data().byteSize();
        for (LayerWeights layer : weights.layers()) {
            bytes += layer.attention().data().byteSize()
                    + layer.attentionOutput().data().byteSize();
            bytes += layer.feedForward().data().byteSize()
                    + layer.feedForwardOutput().data().byteSize();
        }
        return bytes;
    }

    private void prefill(CpuExecutor executor) {
        int[] prompt = new Random(1).ints(1024, 3, 6000).toArray();
        double time = best(i -> {
            PlanDriver driver = new PlanDriver(executor);
            driver.generate(1, 512, driver.start(prompt));
        });
        print("prefill of 1024: %.1f ms, %.0f tokens/s%n", time * 1e3, 1024 / time);
    }

    private double readBandwidth(long bytes) {
        long part = bytes / threads / 4096 * 4096;
        double time = best(i -> workers.run(threads, (worker, item) -> {
            IntVector a = IntVector.zero(Lanes.INTS);
            IntVector b = a;
            IntVector c = a;
            IntVector d = a;
            int step = 4 * Lanes.BYTES;
            long from = item * part;
            for (int at = 0; at < part; at += step) {
                a = a.lanewise(
                        VectorOperators.XOR, IntVector.fromMemorySegment(Lanes.INTS, far, from + at, Lanes.ORDER));
                b = b.lanewise(
                        VectorOperators.XOR,
                        IntVector.fromMemorySegment(Lanes.INTS, far, from + at + Lanes.BYTES, Lanes.ORDER));
                c = c.lanewise(
                        VectorOperators.XOR,
                        IntVector.fromMemorySegment(Lanes.INTS, far, from + at + 2 * Lanes.BYTES, Lanes.ORDER));
                d = d.lanewise(
                        VectorOperators.XOR,
                        IntVector.fromMemorySegment(Lanes.INTS, far, from + at + 3 * Lanes.BYTES, Lanes.ORDER));
            }
            a.lanewise(VectorOperators.XOR, b)
                    .lanewise(VectorOperators.XOR, c)
                    .lanewise(VectorOperators.XOR, d)
                    .reinterpretAsFloats()
                    .intoArray(sink[item], 0);
        }));
        return part * threads / time;
    }

    private double fmaPeak() {
        int loops = 200_000;
        double time = best(i -> workers.run(threads, (worker, item) -> chains(loops, sink[item])));
        return 2.0 * 12 * Lanes.COUNT * loops * threads / time;
    }

    private static void chains(int loops, float[] target) {
        FloatVector x = Lanes.constant(target[1] + 0.99f);
        FloatVector y = Lanes.constant(target[2] + 0.01f);
        FloatVector a = x;
        FloatVector b = x;
        FloatVector c = x;
        FloatVector d = x;
        FloatVector e = x;
        FloatVector f = x;
        FloatVector g = x;
        FloatVector h = x;
        FloatVector i = x;
        FloatVector j = x;
        FloatVector k = x;
        FloatVector l = x;
        for (int loop = 0; loop < loops; loop++) {
            a = a.fma(x, y);
            b = b.fma(x, y);
            c = c.fma(x, y);
            d = d.fma(x, y);
            e = e.fma(x, y);
            f = f.fma(x, y);
            g = g.fma(x, y);
            h = h.fma(x, y);
            i = i.fma(x, y);
            j = j.fma(x, y);
            k = k.fma(x, y);
            l = l.fma(x, y);
        }
        FloatVector sum = a.add(b)
                .add(c)
                .add(d)
                .add(e)
                .add(f)
                .add(g)
                .add(h)
                .add(i)
                .add(j)
                .add(k)
                .add(l);
        target[0] = sum.reduceLanes(VectorOperators.ADD) * 1e-30f;
    }

    private double best(IntConsumer work) {
        return best(work, Integer.MAX_VALUE);
    }

    /** Seconds of the fastest of all runs that fit into the time, at least three. */
    private double best(IntConsumer work, int runsMax) {
        long fastest = Long.MAX_VALUE;
        long begin = System.nanoTime();
        for (int run = 0; run < runsMax && (run < 3 || System.nanoTime() - begin < seconds * 1e9); run++) {
            long start = System.nanoTime();
            work.accept(run);
            fastest = Math.min(fastest, System.nanoTime() - start);
        }
        return fastest * 1e-9;
    }

    private static void print(String format, Object... values) {
        System.out.printf(format, values);
    }
}
