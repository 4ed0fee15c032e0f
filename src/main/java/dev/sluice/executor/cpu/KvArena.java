package dev.sluice.executor.cpu;

import dev.sluice.kv.KvLayout;
import dev.sluice.model.ModelSpec;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The paged key/value memory, outside of the heap, in 32-bit floats. All layers of a block are contiguous, so that a
 * block can be copied as one range.
 *
 * <pre>
 *   block:           layer 0, head 0 | layer 0, head 1 | ... | layer n, head m
 *   layer and head:  keys, element by element:  element 0: token 0, token 1, .. | element 1: ..
 *                    values, token by token:    token 0: element 0, element 1, .. | token 1: ..
 * </pre>
 *
 * <p>Keys lie across, so that one vector holds the same element of 16 tokens and scores need no sum over lanes; tokens
 * are padded to groups of 16 there, values to 32 elements.
 */
final class KvArena {

    /** To be changed with the picture above. */
    static final String FORMAT = "cpu-f32-" + ByteOrder.nativeOrder() + "-1";

    static final int KEY_GROUP = 16;
    private static final int VALUE_GROUP = 32;

    private final MemorySegment memory;
    private final int blockCount;
    private final int blockSize;
    private final int heads;
    private final int headDim;
    private final int keyStride;
    private final long valuesAt;
    private final long valueStride;
    private final long headBytes;
    private final long blockBytes;

    KvArena(ModelSpec spec, KvLayout layout, Arena arena) {
        blockCount = layout.blockCount();
        blockSize = layout.blockSize();
        heads = spec.kvHeads();
        headDim = spec.headDim();
        keyStride = roundUp(blockSize, KEY_GROUP) * Float.BYTES;
        valuesAt = (long) headDim * keyStride;
        valueStride = (long) valueWidth(spec) * Float.BYTES;
        headBytes = valuesAt + blockSize * valueStride;
        blockBytes = blockBytes(spec, blockSize);
        memory = arena.allocate(Math.multiplyExact(blockBytes, blockCount), 64);
    }

    private static int roundUp(int value, int unit) {
        return (value + unit - 1) / unit * unit;
    }

    /** Floats per stored value. */
    static int valueWidth(ModelSpec spec) {
        return roundUp(spec.headDim(), VALUE_GROUP);
    }

    /** Bytes of one block, all layers. */
    static long blockBytes(ModelSpec spec, int blockSize) {
        long perHead = (long) spec.headDim() * roundUp(blockSize, KEY_GROUP) + (long) blockSize * valueWidth(spec);
        return Math.multiplyExact(perHead * Float.BYTES, (long) spec.layers() * spec.kvHeads());
    }

    long blockBytes() {
        return blockBytes;
    }

    int blockCount() {
        return blockCount;
    }

    int blockSize() {
        return blockSize;
    }

    MemorySegment memory() {
        return memory;
    }

    /** Offset of a block. */
    long block(int block) {
        return block * blockBytes;
    }

    /** Offset of a layer's head within any block. */
    long base(int layer, int head) {
        return ((long) layer * heads + head) * headBytes;
    }

    /** Bytes between two elements of a key. */
    int keyStride() {
        return keyStride;
    }

    /** Offset of a value within a layer's head. */
    long valueOffset(int slot) {
        return valuesAt + slot * valueStride;
    }

    /** Bytes between two values. */
    long valueStride() {
        return valueStride;
    }

    /** Writes one token's key and value of one head. */
    void write(int layer, int head, int block, int slot, float[] source, int keyAt, int valueAt) {
        long at = block(block) + base(layer, head);
        long key = at + (long) slot * Float.BYTES;
        long value = at + valueOffset(slot);
        for (int i = 0; i < headDim; i++) {
            memory.set(ValueLayout.JAVA_FLOAT, key + (long) i * keyStride, source[keyAt + i]);
        }
        MemorySegment.copy(source, valueAt, memory, ValueLayout.JAVA_FLOAT, value, headDim);
    }
}
