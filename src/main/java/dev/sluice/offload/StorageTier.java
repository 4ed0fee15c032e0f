package dev.sluice.offload;

import dev.sluice.kv.BlockHash;
import java.util.List;

/**
 * A slower tier behind host memory that keeps chunks by key. Called by the scheduler's thread, which it never makes wait:
 * writes and reads are begun here, done on threads of the tier, and reported by {@link #poll}.
 *
 * <p>Pages given to {@link #write} or {@link #read} belong to the tier until the operation is reported; every operation
 * that was accepted is reported exactly once.
 */
public interface StorageTier extends AutoCloseable {

    /** An operation that has ended; {@code succeeded} false means that nothing was kept, or nothing usable read. */
    record Ended(BlockHash key, boolean read, boolean succeeded, long bytes, long nanos) {}

    /** True if a chunk can probably be read; no I/O. */
    boolean contains(BlockHash key);

    /**
     * Begins to write a chunk whose pages are sealed.
     *
     * @param key of the chunk: the hash of its last block
     * @param pageKeys the hash of each of its blocks
     * @return false if it is not taken: present already, no room, too much to do, out of order
     */
    boolean write(BlockHash key, BlockHash[] pageKeys, int[] pages);

    /**
     * Begins to read a chunk into pages, sealing them.
     *
     * @return false if it is not there, or cannot be read now
     */
    boolean read(BlockHash key, BlockHash[] pageKeys, int[] pages);

    /** Operations that have ended since the last call. */
    List<Ended> poll();

    /** True while an operation is open. */
    boolean hasPendingWork();

    /** Bytes kept. */
    long bytesUsed();

    /** Bytes that may be kept. */
    long bytesCapacity();

    /** Forgets everything; operations that are open are reported as failed, and nothing of theirs is kept. */
    void reset();

    /** Stops its threads; what is being written is left or dropped, never torn unnoticed. */
    @Override
    void close();
}
