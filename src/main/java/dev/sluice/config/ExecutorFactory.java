package dev.sluice.config;

import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.cpu.CpuExecutor;
import dev.sluice.executor.cpu.CpuSettings;
import dev.sluice.executor.cuda.CudaExecutor;
import dev.sluice.executor.cuda.CudaSettings;
import dev.sluice.executor.cuda.driver.CudaUnavailableException;
import dev.sluice.executor.sim.FaultPlan;
import dev.sluice.executor.sim.PacedExecutor;
import dev.sluice.executor.sim.SimulatedExecutor;
import dev.sluice.kv.KvLayout;
import dev.sluice.model.Model;
import dev.sluice.runtime.Clock;
import dev.sluice.runtime.MachineMemory;
import java.nio.file.Path;
import java.time.Duration;

/** Makes the executor that the settings name. */
final class ExecutorFactory {

    private ExecutorFactory() {}

    /** @throws IllegalArgumentException naming the setting that cannot be met */
    static ModelExecutor executor(SluiceProperties properties, Model model, Clock clock) {
        return switch (properties.executor().type()) {
            case CPU -> {
                int threads = properties.executor().cpu().threads();
                CpuSettings settings = new CpuSettings(
                        threads == 0 ? Runtime.getRuntime().availableProcessors() : threads,
                        properties.scheduler().maxBatchedTokens(),
                        properties.scheduler().maxSequences());
                KvLayout layout = layout(properties.kv(), model);
                int context = contextLength(properties.model().maxContext(), model, layout);
                yield new CpuExecutor(model.spec(), model.weights(), layout, context, settings);
            }
            case CUDA -> cuda(properties, model);
            case SIMULATOR -> {
                KvLayout layout = layout(properties.kv(), model);
                int context = contextLength(properties.model().maxContext(), model, layout);
                ModelExecutor simulator = new SimulatedExecutor(
                        SimulatedExecutor.spec(model.spec().vocabularySize(), context, layout), FaultPlan.NONE);
                Duration stepTime = properties.executor().simulator().stepTime();
                yield stepTime.isZero() ? simulator : new PacedExecutor(simulator, stepTime.toNanos(), clock);
            }
        };
    }

    private static KvLayout layout(SluiceProperties.Kv kv, Model model) {
        long blockBytes = CpuExecutor.blockBytes(model.spec(), kv.blockSize());
        if (kv.blocks() > 0) {
            MachineMemory.requireRoomFor("sluice.kv.blocks", Math.multiplyExact(blockBytes, (long) kv.blocks()));
            return new KvLayout(kv.blocks() + 1, kv.blockSize());
        }
        MachineMemory.requireRoomFor("sluice.kv.memory", kv.memory().toBytes());
        long blocks = kv.memory().toBytes() / blockBytes;
        if (blocks < 2) {
            throw new IllegalArgumentException(
                    "sluice.kv.memory of " + kv.memory().toBytes() + " bytes is too small: one block of "
                            + kv.blockSize() + " tokens takes " + blockBytes + " bytes");
        }
        return new KvLayout((int) Math.min(blocks, 1 << 24), kv.blockSize());
    }

    private static ModelExecutor cuda(SluiceProperties properties, Model model) {
        try {
            return CudaExecutor.open(model.spec(), model.weights(), cudaSettings(properties));
        } catch (CudaUnavailableException e) {
            throw new IllegalArgumentException("sluice.executor.type is cuda, but " + e.getMessage(), e);
        }
    }

    static CudaSettings cudaSettings(SluiceProperties properties) {
        String kernelCache = properties.executor().cuda().kernelCache();
        return new CudaSettings(
                properties.executor().cuda().device(),
                properties.model().maxContext(),
                properties.scheduler().maxBatchedTokens(),
                properties.scheduler().maxSequences(),
                properties.kv().blockSize(),
                properties.kv().blocks(),
                properties.kv().gpuMemoryUtilization(),
                properties.executor().cuda().quantization(),
                kernelCache.isEmpty() ? null : Path.of(kernelCache),
                properties.executor().cuda().measureProducts(),
                properties.executor().cuda().cublas(),
                properties.executor().cuda().cublasLibrary());
    }

    /** The context that is served: the model's, the configured one, or what the cache can hold, whichever is least. */
    private static int contextLength(int configured, Model model, KvLayout layout) {
        long held = (long) layout.usableBlocks() * layout.blockSize();
        int context = (int) Math.min(model.spec().contextLength(), held);
        return configured == 0 ? context : Math.min(context, configured);
    }
}
