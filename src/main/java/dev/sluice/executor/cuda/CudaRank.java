package dev.sluice.executor.cuda;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.ExecutorException.Scope;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.cuda.copies.CudaTransfers;
import dev.sluice.executor.cuda.driver.ByteSize;
import dev.sluice.executor.cuda.driver.CudaContext;
import dev.sluice.executor.cuda.driver.CudaEvent;
import dev.sluice.executor.cuda.driver.CudaStream;
import dev.sluice.executor.cuda.driver.DeviceBuffer;
import dev.sluice.executor.cuda.driver.DeviceSlices;
import dev.sluice.executor.cuda.driver.PinnedBuffer;
import dev.sluice.executor.cuda.kernels.CudaKernels;
import dev.sluice.executor.cuda.kernels.KernelImages;
import dev.sluice.executor.cuda.kernels.PrefillKernel;
import dev.sluice.executor.cuda.products.CublasLt;
import dev.sluice.executor.cuda.products.MatrixProducts;
import dev.sluice.executor.cuda.products.ProductTuning;
import dev.sluice.executor.cuda.step.AttentionChoice;
import dev.sluice.executor.cuda.step.CudaForward;
import dev.sluice.executor.cuda.step.CudaPass;
import dev.sluice.executor.cuda.step.CudaSampler;
import dev.sluice.executor.cuda.step.DecodeGraphs;
import dev.sluice.executor.cuda.step.PassLayout;
import dev.sluice.executor.cuda.step.SampleBatch;
import dev.sluice.executor.cuda.step.TokenHistory;
import dev.sluice.executor.cuda.step.Workspace;
import dev.sluice.executor.cuda.weights.CudaWeights;
import dev.sluice.executor.cuda.weights.WeightTable;
import dev.sluice.executor.cuda.weights.WeightUpload;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.kv.KvLayout;
import dev.sluice.kv.TransferPlan;
import dev.sluice.model.ModelSpec;
import dev.sluice.runtime.SystemClock;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One GPU and all that is on it: context, weights, keys and values, streams, graphs. Takes what the executor has decided,
 * a pass at a time; a second GPU is a second object of this class, with weights and keys of its own.
 *
 * <p>All memory of the device is taken at construction. Not for several threads at a time.
 */
final class CudaRank implements AutoCloseable {

    private static final Logger log = LoggerFactory.getLogger(CudaRank.class);

    private final CudaContext context;
    private final RankPlan plan;
    private final Arena host = Arena.ofShared();
    private final CudaStream stream;
    private final CudaEvent computed;
    private final Workspace memory;
    private final CudaForward forward;
    private final DecodeGraphs graphs;
    private final CudaSampler sampler;
    private final TokenHistory history;
    private final @Nullable CublasLt cublas;
    private final long arena;
    private CudaTransfers transfers;
    private @Nullable Thread current;
    private boolean closed;

    /**
     * Takes the device's memory, uploads the weights, and chooses kernels.
     *
     * @param context closed by {@link #close}, not by a failed construction
     * @param layout of the blocks; of all ranks the same
     */
    CudaRank(CudaContext context, RankPlan plan, KvLayout layout, KernelImages images) {
        this.context = context;
        this.plan = plan;
        ModelSpec model = plan.model();
        CudaSettings settings = plan.settings();
        MemoryPlan bytes = plan.memory();
        CudaKernels kernels = new CudaKernels(
                context, images, plan.type(), model.headDim(), plan.formats().target());
        log.info("CUDA kernels: {}", images.describe());
        stream = CudaStream.create(context, 0);
        computed = CudaEvent.create(context, false);
        WeightTable table = new WeightTable(allocate(bytes.weights()), plan.formats());
        CudaWeights placed = CudaWeights.place(model, table, CudaKernels.hasFusedGate(context.device()));
        memory = new Workspace(
                model,
                plan.limits(),
                settings.blockSize(),
                placed.hasSeparateGates(),
                new DeviceSlices(allocate(bytes.workspace())));
        arena = allocate(Math.multiplyExact(bytes.block(), (long) layout.blockCount()));
        new WeightUpload(stream, plan.weights(), plan.type(), new SystemClock()).run(table);
        uploadFrequencies(model);
        MatrixProducts products = new MatrixProducts(kernels, stream, host);
        PrefillKernel prefill = new AttentionChoice(kernels, stream, plan.type(), model.headDim()).run();
        forward = new CudaForward(model, placed, kernels, memory, stream, products, host, arena, layout, prefill);
        cublas = plan.cublas() == null ? null : CublasLt.openIfUsable(plan.cublas(), stream);
        if (settings.measureProducts()) {
            new ProductTuning(products, stream, plan.type(), cublas).run(forward.uses());
        }
        graphs = new DecodeGraphs(plan.limits(), stream, forward);
        sampler = new CudaSampler(kernels, memory, stream, plan.limits(), model.vocabularySize(), host);
        history = new TokenHistory(stream, kernels, memory, plan.limits().lines(), model.vocabularySize(), host);
        transfers = new CudaTransfers(stream, computed, arena, bytes.block(), 0);
        log.info(
                "CUDA executor: {}, {}{}; {} of weights, {} of workspace, {} of keys and values",
                plan.device().describe(),
                plan.type().suffix(),
                plan.formats().label(),
                ByteSize.text(bytes.weights()),
                ByteSize.text(bytes.workspace() + bytes.library()),
                ByteSize.text(bytes.block() * layout.blockCount()));
    }

    private long allocate(long bytes) {
        return DeviceBuffer.allocate(context, bytes).address();
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

    /** What every call begins with: makes the calling thread one that may call the driver. */
    void enter() {
        if (closed) {
            throw new ExecutorException(Scope.DEVICE, "the CUDA executor is closed");
        }
        if (current != Thread.currentThread()) {
            context.makeCurrent();
            current = Thread.currentThread();
        }
    }

    /** Room for a step, to be used again when it has ended. */
    RankStep newStep() {
        return new RankStep(context, plan.limits());
    }

    /**
     * Begins a step with its copies.
     *
     * @param turn 0 or 1: the step before last has ended, so nobody reads its part of the host's memory any more
     */
    void begin(RankStep step, int turn, TransferPlan copies) {
        history.begin(turn);
        step.begin(transfers, transfers.begin(copies));
    }

    /** Gives a pass to the stream, and its samples back to {@link RankStep#results}. */
    void give(RankStep step, CudaPass pass, SampleBatch samples, StepPlan lines) {
        boolean decoding = pass.prefills() == 0;
        PassLayout layout = decoding ? graphs.bucket(pass) : pass.layout();
        pass.write(step.metadata, layout);
        long offset = Workspace.sampleOffset(layout);
        samples.write(step.metadata.asSlice(offset), pass, lines, history);
        MemorySegment upload =
                step.metadata.asSlice(0, offset + samples.layout().bytes());
        stream.toDevice(upload, memory.metadata);
        if (decoding) {
            graphs.run(layout);
        } else {
            forward.run(layout, pass.longestPrefill(), pass.samples());
        }
        if (pass.samples() > 0) {
            sampler.run(samples, memory.metadata + offset, history);
            stream.toHost(memory.results, step.results.asSlice(0, samples.resultBytes()));
        }
    }

    /** Lets the host wait for all that was given. */
    void synchronize() {
        stream.synchronize();
    }

    /** Everything of a step has been given. */
    void end(RankStep step) {
        stream.record(computed);
        step.end(stream);
    }

    /** After a failure: nobody knows what of the step is under way, but copies into its blocks must not overtake it. */
    void abandon() {
        history.forget();
        try {
            stream.record(computed);
        } catch (ExecutorException e) {
            if (e.scope() == Scope.DEVICE) {
                throw e;
            }
            log.warn("The rest of a failed step is not waited for: {}", e.getMessage());
        }
    }

    HostPages allocateHostPages(int count) {
        transfers.close();
        transfers = new CudaTransfers(stream, computed, arena, plan.memory().block(), count);
        return transfers.pages();
    }

    List<FinishedTransfer> pollTransfers() {
        return transfers.poll();
    }

    /** Waits for what is under way, and gives everything back; what the device refuses is only logged. */
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
