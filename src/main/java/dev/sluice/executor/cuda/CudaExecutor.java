package dev.sluice.executor.cuda;

import static dev.sluice.executor.cuda.CudaStep.NOWHERE;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.ExecutorException.Scope;
import dev.sluice.executor.ExecutorSpec;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.PendingStep;
import dev.sluice.executor.PlanCheck;
import dev.sluice.executor.ScheduledSequence;
import dev.sluice.executor.StepPlan;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.kv.KvLayout;
import dev.sluice.model.ModelSpec;
import dev.sluice.model.WeightMap;
import dev.sluice.runtime.SystemClock;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The executor for NVIDIA GPUs.
 *
 * <p>A step is one upload of numbers, the kernels of all layers, sampling, and one copy of the chosen ids back; the host
 * waits for nothing before {@link PendingStep#join}. A line that awaits a token of the step before finds it where that step's
 * sampling leaves it on the device; only if it is not there for certain, or has to be counted, the host waits for it.
 *
 * <p>All memory of the device is taken at construction, and the weights are copied, so the model may be closed afterwards.
 * Calls may come from several threads, one at a time.
 */
public final class CudaExecutor implements ModelExecutor {

    private static final Logger log = LoggerFactory.getLogger(CudaExecutor.class);

    /** To be changed with the order of bytes in a block, see {@code paging.cuh}, and with any order of additions. */
    private static final String FORMAT_VERSION = "-2";

    private final CudaContext context;
    private final ExecutorSpec spec;
    private final Arena host = Arena.ofShared();
    private final PlanCheck check;
    private final PassLimits limits;
    private final CudaStream stream;
    private final CudaEvent computed;
    private final Workspace memory;
    private final CudaForward forward;
    private final DecodeGraphs graphs;
    private final CudaSampler sampler;
    private final TokenHistory history;
    private final @Nullable CublasLt cublas;
    private final CudaStep[] steps = new CudaStep[2];
    private final long arena;
    private CudaTransfers transfers;
    private @Nullable Thread current;
    private int turn;
    private boolean closed;

    /**
     * Takes the device's memory and uploads the weights.
     *
     * @throws CudaUnavailableException if there is no driver, no such device, or no kernels for it
     * @throws IllegalArgumentException if the model does not fit, with the arithmetic
     */
    public static CudaExecutor open(ModelSpec model, WeightMap weights, CudaSettings settings) {
        return open(CudaDriver.LIBRARY, KernelImages.here(settings.kernelCache()), model, weights, settings);
    }

    static CudaExecutor open(
            String library, KernelImages images, ModelSpec model, WeightMap weights, CudaSettings settings) {
        CudaDriver driver = CudaDriver.open(library);
        CudaContext context = new CudaContext(driver, driver.device(settings.device()));
        try {
            return new CudaExecutor(context, images, model, weights, settings);
        } catch (RuntimeException | Error e) {
            context.close();
            throw e;
        }
    }

    private CudaExecutor(
            CudaContext context, KernelImages images, ModelSpec model, WeightMap weights, CudaSettings settings) {
        this.context = context;
        CudaDevice device = context.device();
        LinearFormats formats = LinearFormats.of(settings.quantization(), model, weights);
        CudaShapes.check(device, model, formats.target());
        HalfType type = CudaShapes.type(model, weights);
        int asked = settings.maxContext() == 0
                ? model.contextLength()
                : Math.min(model.contextLength(), settings.maxContext());
        int blockSize = settings.blockSize();
        limits = PassLimits.of(settings, asked);
        WeightTable counted = new WeightTable(0, formats);
        CudaWeights.place(model, counted);
        DeviceSlices countedSlices = new DeviceSlices(0);
        new Workspace(model, limits, blockSize, countedSlices);
        long blockBytes = CudaShapes.blockBytes(model, blockSize);
        NativeLibrary cublasLibrary =
                settings.measureProducts() && settings.cublas() ? NativeLibrary.first(CublasLt.LIBRARIES) : null;
        long cublasBytes = cublasLibrary == null ? 0 : CublasLt.WORKSPACE_BYTES;
        MemoryPlan plan = new MemoryPlan(
                device.memoryBytes(),
                context.freeBytes(),
                settings.memoryUtilization(),
                counted.bytes(),
                countedSlices.bytes() + cublasBytes,
                blockBytes);
        KvLayout layout = plan.layout(settings.blocks(), blockSize);
        long held = (long) layout.usableBlocks() * blockSize;
        spec = new ExecutorSpec(
                "cuda",
                device.describe() + ", " + type.suffix() + formats.label(),
                model.vocabularySize(),
                (int) Math.min(asked, held),
                layout,
                blockBytes,
                "cuda-" + type.suffix() + formats.label() + (device.hasWgmma() ? "-wgmma" : "-mma") + FORMAT_VERSION);
        check = new PlanCheck(spec, model.slidingWindow());
        CudaKernels kernels = new CudaKernels(context, images, type, model.headDim(), formats.target());
        log.info("CUDA kernels: {}", images.describe());
        stream = CudaStream.create(context, 0);
        computed = CudaEvent.create(context, false);
        WeightTable table =
                new WeightTable(DeviceBuffer.allocate(context, counted.bytes()).address(), formats);
        CudaWeights placed = CudaWeights.place(model, table);
        memory = new Workspace(
                model,
                limits,
                blockSize,
                new DeviceSlices(
                        DeviceBuffer.allocate(context, countedSlices.bytes()).address()));
        arena = DeviceBuffer.allocate(context, Math.multiplyExact(blockBytes, (long) layout.blockCount()))
                .address();
        new WeightUpload(stream, weights, type, new SystemClock()).run(table);
        uploadFrequencies(model);
        MatrixProducts products = new MatrixProducts(kernels, stream, host);
        PrefillKernel prefill = new AttentionChoice(kernels, stream, type, model.headDim()).run();
        forward = new CudaForward(model, placed, kernels, memory, stream, products, host, arena, layout, prefill);
        cublas = cublasLibrary == null ? null : CublasLt.openIfUsable(cublasLibrary, stream);
        if (settings.measureProducts()) {
            new ProductTuning(products, stream, type, cublas).run(forward.uses());
        }
        graphs = new DecodeGraphs(limits, stream, forward);
        sampler = new CudaSampler(kernels, memory, stream, limits, model.vocabularySize(), host);
        history = new TokenHistory(stream, kernels, memory, limits.lines(), model.vocabularySize(), host);
        for (int i = 0; i < steps.length; i++) {
            steps[i] = new CudaStep(this, context, limits, blockSize, model.vocabularySize());
        }
        transfers = new CudaTransfers(stream, computed, arena, blockBytes, 0);
        log.info(
                "CUDA executor: {}; {} of weights, {} of workspace, {} of keys and values",
                spec.device(),
                MemoryPlan.size(plan.weights()),
                MemoryPlan.size(plan.workspace()),
                MemoryPlan.size(blockBytes * layout.blockCount()));
    }

    private void uploadFrequencies(ModelSpec model) {
        double[] frequencies = model.rope().frequencies(model.headDim());
        try (PinnedBuffer pinned = PinnedBuffer.allocate(context, (long) Float.BYTES * frequencies.length)) {
            for (int i = 0; i < frequencies.length; i++) {
                pinned.memory().setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) frequencies[i]);
            }
            stream.toDevice(pinned.memory(), memory.inverseFrequency);
            stream.synchronize();
        }
    }

    @Override
    public ExecutorSpec spec() {
        return spec;
    }

    @Override
    public boolean runsBesideItsCaller() {
        return true;
    }

    @Override
    public PendingStep submit(StepPlan plan) {
        enter();
        CudaStep step = steps[turn];
        CudaStep before = steps[1 - turn];
        history.begin(turn);
        turn = 1 - turn;
        step.begin(plan.size());
        try {
            step.include(transfers.begin(plan.transfers()));
            compute(plan, step, before);
            stream.record(computed);
            step.end(stream);
        } catch (RuntimeException e) {
            history.forget();
            step.lose();
            followWhatWasGiven();
            if (e instanceof ExecutorException known) {
                throw known;
            }
            throw new ExecutorException(Scope.STEP, "a step could not be given to the GPU", e);
        }
        return step;
    }

    /** A part of a step that failed may be under way: copies into its blocks must not overtake it. */
    private void followWhatWasGiven() {
        try {
            stream.record(computed);
        } catch (ExecutorException e) {
            if (e.scope() == Scope.DEVICE) {
                throw e;
            }
            log.warn("The rest of a failed step is not waited for: {}", e.getMessage());
        }
    }

    private void compute(StepPlan plan, CudaStep step, CudaStep before) {
        step.pass.begin();
        // A second pass would find the answers of the first one where those of the step before were.
        boolean onePass = plan.size() <= limits.lines() && plan.tokenCount() <= limits.rows();
        for (int i = 0; i < plan.size(); i++) {
            ScheduledSequence line = plan.get(i);
            String problem = problem(line, before);
            int lastId = 0;
            if (problem == null && line.awaited != ScheduledSequence.NOTHING) {
                int place = onePass ? placeOfAwaited(line, before) : NOWHERE;
                lastId = place == NOWHERE ? before.awaitToken(line.awaited) : -1 - place; // as embed.cu reads it
                problem = place == NOWHERE && lastId < 0 ? "the token before was not sampled" : null;
            }
            if (problem != null) {
                step.result.setFailure(i, problem);
                continue;
            }
            int end = line.start + line.count;
            for (int position = line.start; position < end; ) {
                position += step.pass.add(i, line, position, lastId);
                if (step.pass.isFull()) {
                    finishPass(plan, step);
                }
            }
        }
        finishPass(plan, step);
    }

    /** Where on the device the token is that a line awaits; nowhere if the host must wait for it, or count it. */
    private static int placeOfAwaited(ScheduledSequence line, CudaStep before) {
        return SampleBatch.hasPenalties(line.sampling) ? NOWHERE : before.placeOnDevice(line.awaited);
    }

    private @Nullable String problem(ScheduledSequence line, CudaStep before) {
        String problem = check.problem(line, before.result.size());
        return problem == null ? SampleBatch.problem(line.sampling) : problem;
    }

    /** Gives what the pass holds to the stream, and empties it. */
    private void finishPass(StepPlan plan, CudaStep step) {
        CudaPass pass = step.pass;
        if (pass.rows() == 0) {
            return;
        }
        if (step.isAwaitingSamples()) {
            stream.synchronize(); // steps of more than one pass are rare: the one before must be out of the way
            step.readSamples();
        }
        boolean decoding = pass.prefills() == 0;
        PassLayout layout = decoding ? graphs.bucket(pass) : pass.layout();
        pass.write(step.metadata, layout);
        long offset = Workspace.sampleOffset(layout);
        step.samples.write(step.metadata.asSlice(offset), pass, plan, history);
        MemorySegment upload =
                step.metadata.asSlice(0, offset + step.samples.layout().bytes());
        stream.toDevice(upload, memory.metadata);
        if (decoding) {
            graphs.run(layout);
        } else {
            forward.run(layout, pass.longestPrefill(), pass.samples());
        }
        if (pass.samples() > 0) {
            sampler.run(step.samples, memory.metadata + offset, history);
            stream.toHost(memory.results, step.results.asSlice(0, step.samples.resultBytes()));
        }
        step.expectSamples();
        pass.begin();
    }

    @Override
    public HostPages allocateHostPages(int count) {
        enter();
        transfers.close();
        transfers = new CudaTransfers(stream, computed, arena, spec.blockBytes(), count);
        return transfers.pages();
    }

    @Override
    public List<FinishedTransfer> pollTransfers() {
        enter();
        return transfers.poll();
    }

    boolean areDone(List<SealedCopy> copies) {
        return transfers.areDone(copies);
    }

    void await(List<SealedCopy> copies) {
        transfers.await(copies);
    }

    /** What every call begins with. */
    void enter() {
        if (closed) {
            throw new ExecutorException(Scope.DEVICE, "the CUDA executor is closed");
        }
        if (current != Thread.currentThread()) {
            context.makeCurrent();
            current = Thread.currentThread();
        }
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        try {
            enter();
            context.synchronize();
        } catch (ExecutorException e) {
            log.warn("The device had failed before the end: {}", e.getMessage());
        }
        closed = true;
        transfers.close();
        if (cublas != null) {
            cublas.close();
        }
        context.close();
        host.close();
    }
}
