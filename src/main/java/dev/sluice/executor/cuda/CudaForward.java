package dev.sluice.executor.cuda;

import dev.sluice.model.ModelSpec;
import java.lang.foreign.Arena;

/**
 * The decoder: from the numbers of a pass on the device to logits. Only gives work to the stream: nothing here waits or
 * looks at a number, so all of it can be recorded as a graph.
 *
 * <p>All rows of a pass share every matrix product; only attention tells sequences apart. Keys and values of all rows are
 * written before any row of the layer attends, so sequences of one pass may share blocks.
 */
final class CudaForward {

    private static final int WARP = 32;
    private static final int EMBED_THREADS = 256;
    private static final int NORM_THREADS_MAX = 1024;
    private static final int ROPE_HEADS = 4; // of a block
    private static final int GATES = 2048; // of a block
    private static final int HEADS_TOGETHER = 16; // query heads of one kv head that share a product
    private static final int PREFILL_PAIRS = 128; // of position and head, of a block

    private final ModelSpec spec;
    private final CudaWeights weights;
    private final CudaKernels kernels;
    private final Workspace memory;
    private final CudaStream stream;
    private final KernelArguments arguments;
    private final MatrixProducts products;
    private final long arena;
    private final int blockSize;
    private final int normThreads;
    private final float scale;

    /** @param arena address of the key/value memory */
    CudaForward(
            ModelSpec spec,
            CudaWeights weights,
            CudaKernels kernels,
            Workspace memory,
            CudaStream stream,
            Arena host,
            long arena,
            int blockSize) {
        this.spec = spec;
        this.weights = weights;
        this.kernels = kernels;
        this.memory = memory;
        this.stream = stream;
        this.arena = arena;
        this.blockSize = blockSize;
        arguments = new KernelArguments(host);
        products = new MatrixProducts(stream, host);
        // By the size alone: the order of additions depends on it. A thread takes 8 numbers at a time.
        normThreads = Math.min(NORM_THREADS_MAX, Math.ceilDiv(spec.hiddenSize() / 8, WARP) * WARP);
        scale = (float) (1 / Math.sqrt(spec.headDim()));
    }

    /**
     * Takes all rows through all layers, and the sampled ones to {@link Workspace#logits}.
     *
     * @param longestPrefill rows of the longest prefill
     * @param samples logits wanted; 0 ends after the layers
     */
    void run(PassLayout pass, int longestPrefill, int samples) {
        int rows = pass.rows();
        int hidden = spec.hiddenSize();
        int queries = spec.heads() * spec.headDim();
        int inner = spec.intermediateSize();
        embed(memory.residual, weights.embedding(), at(pass.ids()), memory.results, rows, spec.vocabularySize());
        for (int i = 0; i < weights.layers().length; i++) {
            CudaWeights.Layer layer = weights.layers()[i];
            if (i == 0) {
                arguments.begin().add(memory.normed).add(memory.residual).add(layer.attentionNorm());
                stream.launch(
                        kernels.rmsNorm,
                        rows,
                        1,
                        1,
                        normThreads,
                        arguments.add(spec.rmsNormEps()).add(hidden));
            } else {
                addAndNormalize(layer.attentionNorm(), rows);
            }
            int width = queries + 2 * spec.kvHeads() * spec.headDim();
            products.run(kernels.products, memory.qkv, memory.normed, layer.qkv(), rows, width, hidden);
            rotate(layer, i, pass);
            attend(i, pass, longestPrefill);
            products.run(
                    kernels.products, memory.delta, memory.attended, layer.attentionOutput(), rows, hidden, queries);
            addAndNormalize(layer.feedForwardNorm(), rows);
            products.run(kernels.products, memory.gateUp, memory.normed, layer.gateUp(), rows, 2 * inner, hidden);
            arguments.begin().add(memory.gated).add(memory.gateUp).add(inner);
            stream.launch(kernels.siluMul, rows, Math.ceilDiv(inner, GATES), 1, 256, arguments);
            products.run(kernels.products, memory.delta, memory.gated, layer.down(), rows, hidden, inner);
        }
        if (samples > 0) {
            addAndNormalize(weights.norm(), rows);
            embed(memory.sampled, memory.normed, at(pass.sampledRows()), 0, samples, rows);
            products.run(
                    kernels.logitProducts,
                    memory.logits,
                    memory.sampled,
                    weights.head(),
                    samples,
                    spec.vocabularySize(),
                    hidden);
        }
    }

    private long at(int index) {
        return memory.metadata + (long) index * Integer.BYTES;
    }

    /** Rows of a matrix by their numbers: of the embedding by token, known or just sampled, or of the hidden state. */
    private void embed(long out, long table, long ids, long sampled, int count, int tableRows) {
        arguments.begin().add(out).add(table).add(ids).add(sampled);
        arguments.add(spec.hiddenSize()).add(tableRows);
        stream.launch(kernels.embed, count, 1, 1, EMBED_THREADS, arguments);
    }

    private void addAndNormalize(long norm, int rows) {
        arguments
                .begin()
                .add(memory.normed)
                .add(memory.residual)
                .add(memory.delta)
                .add(norm);
        arguments.add(spec.rmsNormEps()).add(spec.hiddenSize());
        stream.launch(kernels.addRmsNorm, rows, 1, 1, normThreads, arguments);
    }

    /** Finishes queries, and moves keys and values into the blocks. */
    private void rotate(CudaWeights.Layer layer, int number, PassLayout pass) {
        int heads = spec.heads() + 2 * spec.kvHeads();
        arguments.begin().add(memory.queries).add(arena).add(memory.qkv).add(layer.qkvBias());
        arguments.add(layer.queryNorm()).add(layer.keyNorm()).add(memory.inverseFrequency);
        arguments.add(at(pass.positions())).add(at(pass.slots())).add(number).add(spec.heads());
        arguments
                .add(spec.layers())
                .add(spec.kvHeads())
                .add(blockSize)
                .add(spec.headDim())
                .add(spec.rmsNormEps());
        stream.launch(kernels.ropeAndCache, pass.rows(), Math.ceilDiv(heads, ROPE_HEADS), 1, 128, arguments);
    }

    private void attend(int layer, PassLayout pass, int longestPrefill) {
        int group = spec.groupSize();
        if (pass.decodes() > 0) {
            int splits = DecodeSplits.count((long) pass.width() * blockSize);
            arguments
                    .begin()
                    .add(memory.attended)
                    .add(memory.partial)
                    .add(memory.stats)
                    .add(memory.queries);
            arguments.add(arena).add(at(pass.tables())).add(at(pass.lengths())).add(pass.width());
            addShape(layer);
            int heads = spec.kvHeads() * Math.ceilDiv(group, HEADS_TOGETHER);
            stream.launch(kernels.decode, splits, heads, pass.decodes(), 128, arguments);
            if (splits > 1) {
                arguments.begin().add(memory.attended).add(memory.partial).add(memory.stats);
                arguments
                        .add(at(pass.lengths()))
                        .add(splits)
                        .add(spec.headDim())
                        .add(spec.slidingWindow());
                stream.launch(kernels.reduce, spec.heads(), pass.decodes(), 1, 128, arguments);
            }
        }
        if (pass.prefills() > 0) {
            // Its rows are counted from the first row of the pass, like its results and queries.
            arguments
                    .begin()
                    .add(memory.attended)
                    .add(memory.queries)
                    .add(arena)
                    .add(at(pass.prefillTables()));
            arguments.add(at(pass.starts())).add(at(pass.prefillLengths())).add(pass.width());
            addShape(layer);
            int blocks = Math.ceilDiv(longestPrefill * group, PREFILL_PAIRS);
            stream.launch(kernels.prefill, blocks, spec.kvHeads(), pass.prefills(), 256, arguments);
        }
    }

    private void addShape(int layer) {
        arguments
                .add(layer)
                .add(spec.heads())
                .add(spec.layers())
                .add(spec.kvHeads())
                .add(blockSize);
        arguments.add(spec.slidingWindow()).add(scale);
    }
}
