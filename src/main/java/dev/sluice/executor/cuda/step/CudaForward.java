package dev.sluice.executor.cuda.step;

import dev.sluice.executor.cuda.driver.CudaStream;
import dev.sluice.executor.cuda.driver.KernelArguments;
import dev.sluice.executor.cuda.kernels.CudaKernels;
import dev.sluice.executor.cuda.kernels.ElementFormat;
import dev.sluice.executor.cuda.kernels.Epilogue;
import dev.sluice.executor.cuda.kernels.PrefillKernel;
import dev.sluice.executor.cuda.products.DeviceMatrix;
import dev.sluice.executor.cuda.products.MatrixProducts;
import dev.sluice.executor.cuda.products.ProductTuning;
import dev.sluice.executor.cuda.weights.CudaWeights;
import dev.sluice.kv.KvLayout;
import dev.sluice.model.ModelSpec;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * The decoder: from the numbers of a pass on the device to logits. Only gives work to the stream: nothing here waits or
 * looks at a number, so all of it can be recorded as a graph.
 *
 * <p>All rows of a pass share every matrix product; only attention tells sequences apart. Keys and values of all rows are
 * written before any row of the layer attends, so sequences of one pass may share blocks.
 */
public final class CudaForward {

    private static final int EMBED_THREADS = 256;
    private static final int ROPE_THREADS = 128;
    private static final int ROPE_ELEMENTS = 8; // of a thread

    private final ModelSpec spec;
    private final CudaWeights weights;
    private final CudaKernels kernels;
    private final Workspace memory;
    private final CudaStream stream;
    private final KernelArguments arguments;
    private final ProductInputs inputs;
    private final MatrixProducts products;
    private final CudaAttention attention;
    private final long arena;
    private final int blockSize;

    /**
     * @param arena address of the key/value memory
     * @param layout its blocks
     * @param prefill the kernel for prefill attention
     */
    public CudaForward(
            ModelSpec spec,
            CudaWeights weights,
            CudaKernels kernels,
            Workspace memory,
            CudaStream stream,
            MatrixProducts products,
            Arena host,
            long arena,
            KvLayout layout,
            PrefillKernel prefill) {
        this.spec = spec;
        this.weights = weights;
        this.kernels = kernels;
        this.memory = memory;
        this.stream = stream;
        this.arena = arena;
        blockSize = layout.blockSize();
        attention = new CudaAttention(
                CudaAttention.Shape.of(spec, blockSize),
                new CudaAttention.Operands(
                        memory.attended.half(),
                        memory.queries,
                        arena,
                        layout.blockCount(),
                        memory.partial,
                        memory.stats,
                        memory.partialPlaces),
                kernels,
                prefill,
                stream,
                host);
        arguments = new KernelArguments(host);
        inputs = new ProductInputs(spec, kernels, memory, stream, host);
        this.products = products;
    }

    /** Every kind of product that a pass computes. */
    public List<ProductTuning.Use> uses() {
        List<ProductTuning.Use> uses = new ArrayList<>();
        List<CudaWeights.Layer> layers = List.of(weights.layers());
        List<CudaWeights.Layer> fused =
                layers.stream().filter(CudaWeights.Layer::fusedGate).toList();
        List<CudaWeights.Layer> separate =
                layers.stream().filter(layer -> !layer.fusedGate()).toList();
        use(uses, memory.qkv, memory.normed, layers, CudaWeights.Layer::qkv, Epilogue.HALF);
        use(uses, memory.delta, memory.attended, layers, CudaWeights.Layer::attentionOutput, Epilogue.HALF);
        use(uses, memory.gateUp, memory.normed, separate, CudaWeights.Layer::gateUp, Epilogue.HALF);
        use(uses, memory.gated.half(), memory.normed, fused, CudaWeights.Layer::gateUp, Epilogue.SILU_MUL);
        use(uses, memory.delta, memory.gated, layers, CudaWeights.Layer::down, Epilogue.HALF);
        uses.add(new ProductTuning.Use(memory.logits, memory.sampled, List.of(weights.head()), Epilogue.FLOAT));
        return uses;
    }

    /** Layers may differ in format. */
    private static void use(
            List<ProductTuning.Use> uses,
            long c,
            Activations a,
            List<CudaWeights.Layer> layers,
            Function<CudaWeights.Layer, DeviceMatrix> matrix,
            Epilogue epilogue) {
        Map<ElementFormat, List<DeviceMatrix>> byFormat = layers.stream()
                .map(matrix)
                .collect(Collectors.groupingBy(DeviceMatrix::format, LinkedHashMap::new, Collectors.toList()));
        byFormat.forEach((format, matrices) -> uses.add(new ProductTuning.Use(c, a.in(format), matrices, epilogue)));
    }

    /**
     * Takes all rows through all layers, and the sampled ones to {@link Workspace#logits}.
     *
     * @param longestPrefill rows of the longest prefill
     * @param samples logits wanted; 0 ends after the layers
     */
    public void run(PassLayout pass, int longestPrefill, int samples) {
        int rows = pass.rows();
        embed(
                memory.residual,
                weights.embedding().address(),
                at(pass.ids()),
                memory.results,
                rows,
                spec.vocabularySize());
        for (int i = 0; i < weights.layers().length; i++) {
            CudaWeights.Layer layer = weights.layers()[i];
            DeviceMatrix qkv = layer.qkv();
            DeviceMatrix input = i == 0
                    ? inputs.normalized(layer.attentionNorm(), qkv.format(), rows)
                    : inputs.addedAndNormalized(layer.attentionNorm(), qkv.format(), rows);
            products.run(memory.qkv, input, qkv, rows);
            rotate(layer, i, pass);
            attend(i, pass, longestPrefill);
            DeviceMatrix output = layer.attentionOutput();
            products.run(memory.delta, inputs.attended(output.format(), rows), output, rows);
            products.run(memory.delta, gated(layer, rows), layer.down(), rows);
        }
        if (samples > 0) {
            DeviceMatrix normed = inputs.addedAndNormalized(weights.norm(), ElementFormat.HALF, rows);
            embed(memory.sampled.address(), normed.address(), at(pass.sampledRows()), 0, samples, rows);
            products.logits(memory.logits, memory.sampled, weights.head(), samples);
        }
    }

    /** What the gates of the feed-forward network let through, as the product after them reads it. */
    private DeviceMatrix gated(CudaWeights.Layer layer, int rows) {
        DeviceMatrix gateUp = layer.gateUp();
        DeviceMatrix input = inputs.addedAndNormalized(layer.feedForwardNorm(), gateUp.format(), rows);
        if (layer.fusedGate()) {
            DeviceMatrix gated = memory.gated.in(ElementFormat.HALF);
            products.gated(gated.address(), input, gateUp, rows);
            return gated;
        }
        products.run(memory.gateUp, input, gateUp, rows);
        return inputs.gated(layer.down().format(), rows);
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

    /** Finishes queries, and moves keys and values into the blocks. */
    private void rotate(CudaWeights.Layer layer, int number, PassLayout pass) {
        int width = (spec.heads() + 2 * spec.kvHeads()) * spec.headDim();
        int blocks = Math.ceilDiv(width, ROPE_THREADS * ROPE_ELEMENTS);
        arguments.begin().add(memory.queries).add(arena).add(memory.qkv).add(layer.qkvBias());
        arguments.add(layer.queryNorm()).add(layer.keyNorm()).add(memory.inverseFrequency);
        arguments.add(at(pass.positions())).add(at(pass.slots())).add(number).add(spec.heads());
        arguments
                .add(spec.layers())
                .add(spec.kvHeads())
                .add(blockSize)
                .add(spec.headDim())
                .add(spec.rmsNormEps());
        stream.launch(kernels.ropeAndCache, pass.rows(), blocks, 1, ROPE_THREADS, arguments);
    }

    private void attend(int layer, PassLayout pass, int longestPrefill) {
        if (pass.decodes() > 0) {
            attention.decode(layer, at(pass.tables()), at(pass.lengths()), pass.decodes(), pass.width());
        }
        if (pass.prefills() > 0) {
            // Their rows are counted from the first row of the pass, like results and queries.
            attention.prefill(
                    layer,
                    at(pass.prefillTables()),
                    at(pass.starts()),
                    at(pass.prefillLengths()),
                    pass.prefills(),
                    pass.width(),
                    longestPrefill);
        }
    }
}
