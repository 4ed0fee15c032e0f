package dev.sluice.executor.cuda;

import dev.sluice.model.ModelSpec;

/**
 * Device memory of a pass: what one kernel leaves for the next. T is the model's 16-bit format.
 *
 * <pre>
 *   residual, normed, delta  [rows, hidden]                T
 *   qkv                      [rows, (heads + 2 * kvHeads) * headDim]  T
 *   queries, attended        [rows, heads * headDim]       T
 *   gateUp                   [rows, 2 * intermediate]      T
 *   gated                    [rows, intermediate]          T
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
final class Workspace {

    final long residual;
    final long normed;
    final long delta;
    final long qkv;
    final long queries;
    final long attended;
    final long gateUp;
    final long gated;
    final long partial;
    final long stats;
    final long sampled;
    final long logits;
    final long raw;
    final long history;
    final long metadata;
    final long tokens;
    final long results;
    final long inverseFrequency;

    Workspace(ModelSpec model, PassLimits limits, int blockSize, DeviceSlices slices) {
        long rows = limits.rows();
        long lines = limits.lines();
        long hidden = 2 * rows * model.hiddenSize();
        long queryBytes = 2 * rows * model.heads() * model.headDim();
        residual = slices.take(hidden);
        normed = slices.take(hidden);
        delta = slices.take(hidden);
        qkv = slices.take(queryBytes + 4 * rows * model.kvHeads() * model.headDim());
        queries = slices.take(queryBytes);
        attended = slices.take(queryBytes);
        gateUp = slices.take(4 * rows * model.intermediateSize());
        gated = slices.take(2 * rows * model.intermediateSize());
        CudaAttention.Shape attention = CudaShapes.attention(model, blockSize);
        int chunks = DecodeSplits.chunks((long) limits.width() * blockSize, attention.window());
        int decodes = DecodeSplits.rowsAtOnce(limits.lines(), attention.partialBytes(chunks));
        partial = slices.take(decodes * attention.partialBytes(chunks));
        stats = slices.take((long) decodes * chunks * attention.heads() * 2 * Float.BYTES);
        sampled = slices.take(2 * lines * model.hiddenSize());
        long logitBytes = lines * model.vocabularySize() * Float.BYTES;
        logits = slices.take(logitBytes);
        raw = slices.take(logitBytes);
        history = slices.take(logitBytes);
        metadata = slices.take(metadataBytes(limits));
        tokens = slices.take(TokenHistory.stagingBytes(limits.lines()));
        results = slices.take(SampleResults.bytes(limits.lines()));
        inverseFrequency = slices.take((long) model.headDim() / 2 * Float.BYTES);
    }

    /** Most that one pass uploads. */
    static long metadataBytes(PassLimits limits) {
        return sampleOffset(PassLayout.largest(limits))
                + SampleLayout.largest(limits).bytes();
    }

    /** Where the parameters of samples begin, behind the numbers of the pass. */
    static long sampleOffset(PassLayout pass) {
        return Math.ceilDiv(pass.bytes(), Long.BYTES) * Long.BYTES;
    }
}
