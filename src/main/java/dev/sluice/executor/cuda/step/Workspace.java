package dev.sluice.executor.cuda.step;

import dev.sluice.executor.cuda.driver.DeviceSlices;
import dev.sluice.executor.cuda.kernels.ElementFormat;
import dev.sluice.executor.cuda.products.DeviceMatrix;
import dev.sluice.model.ModelSpec;

/**
 * Device memory of a pass: what one kernel leaves for the next. T is the model's 16-bit format.
 *
 * <pre>
 *   residual, delta          [rows, hidden]                T
 *   normed                   [rows, hidden]                T, or 8 bits in the first half
 *   qkv                      [rows, (heads + 2 * kvHeads) * headDim]  T
 *   queries                  [rows, heads * headDim]       T; after attention, attended in 8 bits
 *   attended                 [rows, heads * headDim]       T
 *   gateUp                   [rows, 2 * intermediate]      T, if any layer's gate is a kernel of its own
 *   gated                    [rows, intermediate]          T, or 8 bits in the first half
 *   scales                   [rows]                        float, of whatever is in 8 bits: one product's at a time
 *   partial, stats           see paged_attention_decode.cu
 *   sampled                  [lines, hidden]               T
 *   logits, raw              [lines, vocabulary]           float
 *   history                  [lines, vocabulary]           int
 *   metadata                 as {@link PassLayout} has it
 *   tokens                   what {@link TokenHistory} uploads
 *   results                  as {@link SampleResults} has it
 *   inverseFrequency         [headDim / 2]                 float
 * </pre>
 */
public final class Workspace {

    final Activations normed;
    final Activations attended;
    final Activations gated;
    final DeviceMatrix sampled;
    final long residual;
    final long delta;
    final long qkv;
    final long queries;
    final long gateUp;
    final long partial;
    final long stats;
    final int partialPlaces;
    final long logits;
    final long raw;
    final long history;
    public final long metadata;
    final long tokens;
    public final long results;
    public final long inverseFrequency;

    /** @param separateGates some gates are computed by a kernel of their own */
    public Workspace(ModelSpec model, PassLimits limits, int blockSize, boolean separateGates, DeviceSlices slices) {
        long rows = limits.rows();
        long lines = limits.lines();
        long hidden = 2 * rows * model.hiddenSize();
        long queryBytes = 2 * rows * model.heads() * model.headDim();
        residual = slices.take(hidden);
        long scales = slices.take(rows * Float.BYTES);
        normed = shared(limits.rows(), model.hiddenSize(), slices.take(hidden), scales);
        delta = slices.take(hidden);
        qkv = slices.take(queryBytes + 4 * rows * model.kvHeads() * model.headDim());
        queries = slices.take(queryBytes);
        int queryWidth = model.heads() * model.headDim();
        attended = new Activations(limits.rows(), queryWidth, slices.take(queryBytes), queries, scales);
        gateUp = separateGates ? slices.take(4 * rows * model.intermediateSize()) : 0;
        long gatedBytes = 2 * rows * model.intermediateSize();
        gated = shared(limits.rows(), model.intermediateSize(), slices.take(gatedBytes), scales);
        CudaAttention.Shape attention = CudaAttention.Shape.of(model, blockSize);
        int chunks = DecodeSplits.chunks((long) limits.width() * blockSize, attention.window());
        partialPlaces = DecodeSplits.places(limits.lines(), chunks, attention.partialBytes(1));
        partial = slices.take(attention.partialBytes(partialPlaces));
        stats = slices.take((long) partialPlaces * attention.heads() * 2 * Float.BYTES);
        long sampledBytes = 2 * lines * model.hiddenSize();
        sampled =
                new DeviceMatrix(slices.take(sampledBytes), limits.lines(), model.hiddenSize(), ElementFormat.HALF, 0);
        long logitBytes = lines * model.vocabularySize() * Float.BYTES;
        logits = slices.take(logitBytes);
        raw = slices.take(logitBytes);
        history = slices.take(logitBytes);
        metadata = slices.take(metadataBytes(limits));
        tokens = slices.take(TokenHistory.stagingBytes(limits.lines()));
        results = slices.take(SampleResults.bytes(limits.lines()));
        inverseFrequency = slices.take((long) model.headDim() / 2 * Float.BYTES);
    }

    private static Activations shared(int rows, int columns, long address, long scales) {
        return new Activations(rows, columns, address, address, scales);
    }

    /** Most that one pass uploads. */
    public static long metadataBytes(PassLimits limits) {
        return sampleOffset(PassLayout.largest(limits))
                + SampleLayout.largest(limits).bytes();
    }

    /** Where the parameters of samples begin, behind the numbers of the pass. */
    public static long sampleOffset(PassLayout pass) {
        return Math.ceilDiv(pass.bytes(), Long.BYTES) * Long.BYTES;
    }
}
