package dev.sluice.executor.cuda.step;

import dev.sluice.executor.cuda.driver.CudaFunction;
import dev.sluice.executor.cuda.driver.CudaStream;
import dev.sluice.executor.cuda.driver.KernelArguments;
import dev.sluice.executor.cuda.kernels.CudaKernels;
import dev.sluice.executor.cuda.kernels.CudaKernels.RowKernels;
import dev.sluice.executor.cuda.kernels.ElementFormat;
import dev.sluice.executor.cuda.products.DeviceMatrix;
import dev.sluice.model.ModelSpec;
import java.lang.foreign.Arena;
import java.util.Objects;

/**
 * Makes the inputs of matrix products, each in the format of the weights that it meets: 8 bits are rounded by the kernel that
 * computes the row anyway, but for the results of attention.
 */
final class ProductInputs {

    private static final int WARP = 32;
    private static final int ELEMENTS = 8; // that a thread takes at a time
    private static final int THREADS_MAX = 1024;
    private static final int GATES = 2048; // of a block, in 16 bits
    private static final int GATE_THREADS = 256;
    private static final int GATE_ROWS = 2; // of a thread

    private final ModelSpec spec;
    private final CudaKernels kernels;
    private final Workspace memory;
    private final CudaStream stream;
    private final KernelArguments arguments;

    ProductInputs(ModelSpec spec, CudaKernels kernels, Workspace memory, CudaStream stream, Arena host) {
        this.spec = spec;
        this.kernels = kernels;
        this.memory = memory;
        this.stream = stream;
        arguments = new KernelArguments(host);
    }

    /** By the size alone: the order of additions in a norm depends on it. */
    private static int threads(int columns) {
        return Math.min(THREADS_MAX, Math.ceilDiv(columns / ELEMENTS, WARP) * WARP);
    }

    /** The residual stream, normalised. */
    DeviceMatrix normalized(long norm, ElementFormat format, int rows) {
        DeviceMatrix normed = begin(memory.normed, format);
        arguments.add(memory.residual).add(norm).add(spec.rmsNormEps()).add(spec.hiddenSize());
        launchRows(kernels.rows(format).rmsNorm(), rows, normed.columns());
        return normed;
    }

    /** The same after the addition of what the last product left. */
    DeviceMatrix addedAndNormalized(long norm, ElementFormat format, int rows) {
        DeviceMatrix normed = begin(memory.normed, format);
        arguments.add(memory.residual).add(memory.delta).add(norm);
        arguments.add(spec.rmsNormEps()).add(spec.hiddenSize());
        launchRows(kernels.rows(format).addRmsNorm(), rows, normed.columns());
        return normed;
    }

    /** The results of attention. */
    DeviceMatrix attended(ElementFormat format, int rows) {
        if (!format.isScaled()) {
            return memory.attended.in(format);
        }
        DeviceMatrix attended = begin(memory.attended, format);
        arguments.add(memory.attended.half()).add(attended.columns());
        launchRows(Objects.requireNonNull(kernels.rows(format).quantiseRows()), rows, attended.columns());
        return attended;
    }

    /** What the gates of the feed-forward network let through. */
    DeviceMatrix gated(ElementFormat format, int rows) {
        DeviceMatrix gated = begin(memory.gated, format);
        arguments.add(memory.gateUp);
        RowKernels of = kernels.rows(format);
        if (format.isScaled()) {
            arguments.add(gated.columns());
            launchRows(of.siluMul(), rows, gated.columns());
        } else {
            arguments.add(rows).add(gated.columns());
            int blocks = Math.ceilDiv(gated.columns(), GATES);
            stream.launch(of.siluMul(), Math.ceilDiv(rows, GATE_ROWS), blocks, 1, GATE_THREADS, arguments);
        }
        return gated;
    }

    private DeviceMatrix begin(Activations target, ElementFormat format) {
        DeviceMatrix matrix = target.in(format);
        arguments.begin().add(matrix.address());
        if (format.isScaled()) {
            arguments.add(matrix.scales());
        }
        return matrix;
    }

    private void launchRows(CudaFunction kernel, int rows, int columns) {
        stream.launch(kernel, rows, 1, 1, threads(columns), arguments);
    }
}
