package dev.sluice.executor.cuda;

import java.lang.foreign.Arena;

/** Launches attention over paged keys and values: paged_attention_decode.cu and paged_attention_prefill.cu say what it is. */
final class CudaAttention {

    /**
     * What all layers have in common.
     *
     * @param window positions a row attends to; 0 is all
     * @param blockSize positions of a key/value block
     */
    record Shape(int layers, int heads, int kvHeads, int headDim, int window, int blockSize) {

        int group() {
            return heads / kvHeads;
        }

        /** Bytes of one row of queries, or of results. */
        long rowBytes() {
            return (long) heads * headDim * Short.BYTES;
        }

        /** Bytes of the partial results of one decoding row. */
        long partialBytes(int chunks) {
            return (long) chunks * heads * headDim * Float.BYTES;
        }
    }

    /**
     * Where a launch finds its operands, as device addresses.
     *
     * @param partial of decoding rows; likewise stats
     * @param places chunks of all heads that partial and stats have room for
     */
    record Operands(long out, long queries, long arena, long partial, long stats, int places) {}

    private static final int HEADS_TOGETHER = 16; // query heads of one kv head that share a product
    private static final int DECODE_THREADS = 128;
    private static final int PREFILL_PAIRS = 128; // of position and head, of a block
    private static final int PREFILL_THREADS = 256;

    private final Shape shape;
    private final Operands operands;
    private final CudaKernels kernels;
    private final CudaStream stream;
    private final KernelArguments arguments;
    private final int multiprocessors;
    private final float scale;

    CudaAttention(Shape shape, Operands operands, CudaKernels kernels, CudaStream stream, Arena host) {
        this.shape = shape;
        this.operands = operands;
        this.kernels = kernels;
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
    void decode(int layer, long tables, long lengths, int rows, int width) {
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
    void prefill(int layer, long tables, long starts, long lengths, int sequences, int width, int longest) {
        arguments.begin().add(operands.out).add(operands.queries).add(operands.arena);
        arguments.add(tables).add(starts).add(lengths).add(width);
        addShape(layer);
        int blocks = Math.ceilDiv(longest * shape.group(), PREFILL_PAIRS);
        stream.launch(kernels.prefill, blocks, shape.kvHeads(), sequences, PREFILL_THREADS, arguments);
    }

    private void addShape(int layer) {
        arguments.add(layer).add(shape.heads()).add(shape.layers()).add(shape.kvHeads());
        arguments.add(shape.blockSize()).add(shape.window()).add(scale);
    }
}
