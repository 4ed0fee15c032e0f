package dev.sluice.executor.cuda.step;

import dev.sluice.executor.cuda.driver.CudaFunction;
import dev.sluice.executor.cuda.driver.CudaStream;
import dev.sluice.executor.cuda.driver.KernelArguments;
import dev.sluice.executor.cuda.driver.TensorMap;
import dev.sluice.executor.cuda.kernels.CudaKernels;
import dev.sluice.executor.cuda.kernels.PrefillKernel;
import dev.sluice.model.ModelSpec;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Launches attention over paged keys and values: paged_attention_decode.cu, paged_attention_prefill.cu and
 * paged_attention_prefill_wgmma.cu say what it is.
 */
final class CudaAttention {

    /**
     * What all layers have in common.
     *
     * @param window positions a row attends to; 0 is all
     * @param blockSize positions of a key/value block
     */
    public record Shape(int layers, int heads, int kvHeads, int headDim, int window, int blockSize) {

        static Shape of(ModelSpec model, int blockSize) {
            return new Shape(
                    model.layers(), model.heads(), model.kvHeads(), model.headDim(), model.slidingWindow(), blockSize);
        }

        int group() {
            return heads / kvHeads;
        }

        /** Bytes of one row of queries, or of results. */
        public long rowBytes() {
            return (long) heads * headDim * Short.BYTES;
        }

        /** Rows of one head's keys, or values, in a block of positions: those of all layers and heads. */
        long rowsOfBlock() {
            return 2L * layers * kvHeads * blockSize;
        }

        /** Bytes of the partial results of one decoding row. */
        public long partialBytes(int chunks) {
            return (long) chunks * heads * headDim * Float.BYTES;
        }
    }

    /**
     * Where a launch finds its operands, as device addresses.
     *
     * @param blocks of positions in the arena
     * @param partial of decoding rows; likewise stats
     * @param places chunks of all heads that partial and stats have room for
     */
    public record Operands(long out, long queries, long arena, int blocks, long partial, long stats, int places) {}

    private static final int HEADS_TOGETHER = 16; // query heads of one kv head that share a product
    private static final int DECODE_THREADS = 128;

    private final Shape shape;
    private final Operands operands;
    private final CudaKernels kernels;
    private final PrefillKernel prefill;
    private final @Nullable MemorySegment arenaMap;
    private final CudaStream stream;
    private final KernelArguments arguments;
    private final int multiprocessors;
    private final float scale;

    /** @param prefill one of the kernels for it */
    public CudaAttention(
            Shape shape, Operands operands, CudaKernels kernels, PrefillKernel prefill, CudaStream stream, Arena host) {
        this.shape = shape;
        this.operands = operands;
        this.kernels = kernels;
        this.prefill = prefill;
        arenaMap = prefill.takesMap()
                ? TensorMap.encode(
                        stream.context(),
                        host,
                        operands.arena,
                        operands.blocks * shape.rowsOfBlock(),
                        shape.headDim(),
                        Short.BYTES,
                        prefill.boxRows())
                : null;
        this.stream = stream;
        arguments = new KernelArguments(host);
        multiprocessors = stream.context().device().multiprocessors();
        scale = (float) (1 / Math.sqrt(shape.headDim()));
    }

    /**
     * One position of each of so many sequences, whose queries and results are the first rows.
     *
     * @param tables address of block tables [rows, width]
     * @param lengths address of their lengths [rows]
     */
    public void decode(int layer, long tables, long lengths, int rows, int width) {
        int chunks = DecodeSplits.chunks((long) width * shape.blockSize(), shape.window());
        int atOnce = rowsAtOnce(operands.places, chunks, rows);
        for (int row = 0; row < rows; row += atOnce) {
            long from = (long) Integer.BYTES * row;
            decode(layer, tables + from * width, lengths + from, row, Math.min(atOnce, rows - row), width, chunks);
        }
    }

    /** Rows of so many chunks whose partial results fit; the places are enough for one of the longest. */
    static int rowsAtOnce(int places, int chunks, int rows) {
        return Math.clamp(places / chunks, 1, rows);
    }

    private void decode(int layer, long tables, long lengths, int row, int rows, int width, int chunks) {
        long before = row * shape.rowBytes();
        arguments.begin().add(operands.partial).add(operands.stats).add(operands.queries + before);
        arguments.add(operands.arena).add(tables).add(lengths).add(chunks).add(width);
        addShape(layer);
        int heads = shape.kvHeads() * Math.ceilDiv(shape.group(), HEADS_TOGETHER);
        CudaFunction wide = kernels.decodeWide;
        if (wide != null && DecodeSplits.isWide(chunks, heads * rows, multiprocessors)) {
            int splits = DecodeSplits.wideSplits(chunks, heads * rows, multiprocessors);
            stream.launch(wide, splits, heads, rows, DECODE_THREADS, arguments);
        } else {
            stream.launch(kernels.decode, DecodeSplits.splits(chunks), heads, rows, DECODE_THREADS, arguments);
        }
        arguments.begin().add(operands.out + before).add(operands.partial).add(operands.stats);
        arguments.add(lengths).add(chunks).add(shape.headDim()).add(shape.window());
        int parts = DecodeSplits.parts(shape.headDim(), shape.heads() * rows, multiprocessors);
        stream.launch(kernels.reduce, shape.heads(), rows, parts, DECODE_THREADS, arguments);
    }

    /**
     * Several positions of each of so many sequences.
     *
     * @param tables address of block tables [sequences, width]
     * @param starts address of the first row of each [sequences + 1], counted as queries and results are
     * @param lengths address of the lengths [sequences]
     * @param longest rows of the longest
     */
    public void prefill(int layer, long tables, long starts, long lengths, int sequences, int width, int longest) {
        arguments.begin().add(operands.out).add(operands.queries);
        if (arenaMap == null) {
            arguments.add(operands.arena);
        } else {
            arguments.add(arenaMap);
        }
        arguments.add(tables).add(starts).add(lengths).add(width);
        addShape(layer);
        int blocks = Math.ceilDiv(longest * shape.group(), PrefillKernel.PAIRS);
        stream.launch(prefill.function(), blocks, shape.kvHeads(), sequences, prefill.threads(), arguments);
    }

    private void addShape(int layer) {
        arguments.add(layer).add(shape.heads()).add(shape.layers()).add(shape.kvHeads());
        arguments.add(shape.blockSize()).add(shape.window()).add(scale);
    }
}
