package dev.sluice.executor.cpu;

import dev.sluice.kv.KvLayout;
import dev.sluice.model.ModelSpec;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The memory of all key/value blocks.
 *
 * <pre>
 *   block  = [layer][kv head] of cells, contiguous, so that a block can be copied whole
 *   cell   = keys   [head dim][token in block]     a vector of keys at a time: scores need no sum over lanes
 *            values [token in block][padded head dim]
 * </pre>
 *
 * <p>Floats throughout: what is cached is exactly what was computed.
 */
final class KvArena {

    /** Tokens per block must be a multiple of this: the widest vector. */
    static final int BLOCK_SIZE_STEP = 16;

    final int blockSize;
    final int headDim;
    final int paddedHeadDim;
    final MemorySegment memory;
    private final int kvHeads;
    private final long keyBytes;
    private final long cellBytes;
    private final long blockBytes;

    KvArena(ModelSpec model, KvLayout layout, Arena arena) {
        if (layout.blockSize() % BLOCK_SIZE_STEP != 0) {
            throw new IllegalArgumentException("the CPU executor needs a KV block size that is a multiple of "
                    + BLOCK_SIZE_STEP + ", was " + layout.blockSize());
        }
        blockSize = layout.blockSize();
        headDim = model.headDim();
        paddedHeadDim = paddedHeadDim(model);
        kvHeads = model.kvHeads();
        keyBytes = 4L * headDim * blockSize;
        cellBytes = keyBytes + 4L * paddedHeadDim * blockSize;
        blockBytes = blockBytes(model, blockSize);
        memory = arena.allocate(Math.multiplyExact(blockBytes, layout.blockCount()), 64);
    }

    /** Bytes that one block takes. */
    static long blockBytes(ModelSpec model, int blockSize) {
        return 4L * (model.headDim() + paddedHeadDim(model)) * blockSize * model.kvHeads() * model.layers();
    }

    private static int paddedHeadDim(ModelSpec model) {
        return (model.headDim() + Lanes.COUNT - 1) / Lanes.COUNT * Lanes.COUNT;
    }

    /** Offset of the keys of one cell; component d of token t is at {@code + 4 * (d * blockSize + t)}. */
    long keys(int block, int layer, int kvHead) {
        return block * blockBytes + ((long) layer * kvHeads + kvHead) * cellBytes;
    }

    /** Offset of the values of one cell; component d of token t is at {@code + 4 * (t * paddedHeadDim + d)}. */
    long values(int block, int layer, int kvHead) {
        return keys(block, layer, kvHead) + keyBytes;
    }
}
