package dev.sluice.offload;

import dev.sluice.kv.BlockHash;
import java.util.List;

/**
 * A slower tier behind host memory that keeps chunks by key. Called by the scheduler's thread, which it never makes wait:
 * writes and reads are begun here, done on threads of the tier, and reported by {@link #poll}.
 *
 * <p>Pages given to {@link #write} or {@link #read} belong to the tier until the job is reported; every job that was
 * accepted is reported exactly once.
 */
public interface StorageTier extends AutoCloseable {

    /** A job that has ended; {@code succeeded} false means that nothing was kept, or nothing usable read. */
    record Ended(long job, boolean succeeded, long bytes, long nanos) {}

    /** What a tier knows of a chunk. */
    enum Lookup {
        /** It can probably be read. */
        HIT,
        /** It cannot. */
        MISS,
        /** The tier has begun to find out, and will know: within the time limit, it answers hit or miss. */
        ASK_AGAIN
    }

    /** Whether a chunk can be read; never waits. Who has answered hit or miss does not ask again before the next poll. */
    Lookup lookup(BlockHash key);

    /**
     * Begins to write a chunk whose pages carry their checksums.
     *
     * @param key of the chunk: the hash of its last block
     * @param pageKeys the hash of each of its blocks
     * @return false if it is not taken: present already, no room, too much to do, out of order
     */
    boolean write(long job, BlockHash key, BlockHash[] pageKeys, int[] pages);

    /**
     * Begins to read a chunk into pages, which get their checksums.
     *
     * @return false if it is not there, or cannot be read now
     */
    boolean read(long job, BlockHash key, BlockHash[] pageKeys, int[] pages);

    /** Jobs that have ended since the last call; called in every turn of the scheduler's loop. */
    List<Ended> poll();

    /** Bytes kept. */
    long bytesUsed();

    /** Bytes that may be kept. */
    long bytesCapacity();

    /** Forgets everything; jobs that are open are reported as failed, and nothing of theirs is kept. */
    void reset();

    /** Stops its threads; what is being written is left or dropped, never torn unnoticed. */
    @Override
    void close();
}
