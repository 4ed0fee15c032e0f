package dev.sluice.executor.cuda;

import dev.sluice.executor.ExecutorSpec;
import dev.sluice.executor.cuda.driver.CudaContext;
import dev.sluice.executor.cuda.driver.CudaDevice;
import dev.sluice.executor.cuda.driver.CudaUnavailableException;
import dev.sluice.executor.cuda.driver.DeviceSlices;
import dev.sluice.executor.cuda.driver.NativeLibrary;
import dev.sluice.executor.cuda.kernels.CudaKernels;
import dev.sluice.executor.cuda.kernels.HalfType;
import dev.sluice.executor.cuda.products.CublasLt;
import dev.sluice.executor.cuda.step.PassLimits;
import dev.sluice.executor.cuda.step.Workspace;
import dev.sluice.executor.cuda.weights.CudaWeights;
import dev.sluice.executor.cuda.weights.LinearFormats;
import dev.sluice.executor.cuda.weights.WeightTable;
import dev.sluice.kv.KvLayout;
import dev.sluice.model.ModelSpec;
import dev.sluice.model.WeightMap;
import org.jspecify.annotations.Nullable;

/**
 * What a {@link CudaRank} will take of its device, counted before any of it is taken: so that all ranks can agree on one
 * number of blocks, and what does not fit is said with the arithmetic.
 *
 * @param contextLength that is asked for; memory may hold less
 * @param cublas the library, if products are to be measured and the host has it
 */
record RankPlan(
        CudaDevice device,
        ModelSpec model,
        WeightMap weights,
        CudaSettings settings,
        LinearFormats formats,
        HalfType type,
        int contextLength,
        PassLimits limits,
        @Nullable NativeLibrary cublas,
        MemoryPlan memory) {

    /** To be changed with the order of bytes in a block, see {@code paging.cuh}, and with any order of additions. */
    private static final String FORMAT_VERSION = "-2";

    /** @throws CudaUnavailableException if the kernels are not made for the device or the model */
    static RankPlan of(CudaContext context, ModelSpec model, WeightMap weights, CudaSettings settings) {
        CudaDevice device = context.device();
        LinearFormats formats = LinearFormats.of(settings.quantization(), model, weights);
        CudaShapes.check(device, model, formats.target());
        int asked = settings.maxContext() == 0
                ? model.contextLength()
                : Math.min(model.contextLength(), settings.maxContext());
        PassLimits limits =
                PassLimits.of(settings.maxBatchedTokens(), settings.maxSequences(), asked, settings.blockSize());
        NativeLibrary cublas =
                settings.measureProducts() && settings.cublas() ? CublasLt.find(settings.cublasLibrary()) : null;
        WeightTable counted = new WeightTable(0, formats);
        CudaWeights placed = CudaWeights.place(model, counted, CudaKernels.hasFusedGate(device));
        DeviceSlices workspace = new DeviceSlices(0);
        new Workspace(model, limits, settings.blockSize(), placed.hasSeparateGates(), workspace);
        MemoryPlan memory = new MemoryPlan(
                device.memoryBytes(),
                context.freeBytes(),
                settings.memoryUtilization(),
                counted.bytes(),
                workspace.bytes(),
                cublas == null ? 0 : CublasLt.WORKSPACE_BYTES,
                CudaShapes.blockBytes(model, settings.blockSize()));
        HalfType type = CudaShapes.type(model, weights);
        return new RankPlan(device, model, weights, settings, formats, type, asked, limits, cublas, memory);
    }

    /**
     * The blocks that there is room for, or that were asked for.
     *
     * @throws IllegalArgumentException if they do not fit, with the arithmetic
     */
    KvLayout layout() {
        return memory.layout(settings.blocks(), settings.blockSize());
    }

    /** What the executor can do with so many blocks. */
    ExecutorSpec spec(KvLayout layout) {
        String format = type.suffix() + formats.label();
        long held = (long) layout.usableBlocks() * layout.blockSize();
        return new ExecutorSpec(
                "cuda",
                device.describe() + ", " + format,
                model.vocabularySize(),
                (int) Math.min(contextLength, held),
                layout,
                memory.block(),
                "cuda-" + format + (device.hasWgmma() ? "-wgmma" : "-mma") + FORMAT_VERSION);
    }
}
