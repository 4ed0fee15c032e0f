package dev.sluice.offload.host;

import dev.sluice.kv.BlockHash;
import dev.sluice.offload.ConnectorRequest;

/**
 * How blocks make chunks, and chunks make pages.
 *
 * @param blockSize tokens in a block
 * @param chunkBlocks blocks in a chunk
 * @param pageBytes bytes of a block
 */
record ChunkGeometry(int blockSize, int chunkBlocks, long pageBytes) {

    int chunkTokens() {
        return blockSize * chunkBlocks;
    }

    long chunkBytes() {
        return pageBytes * chunkBlocks;
    }

    /** A chunk is known by the hash of its last block, which stands for everything up to there. */
    BlockHash key(ConnectorRequest request, int chunk) {
        return request.blockHash((chunk + 1) * chunkBlocks - 1);
    }

    /** The hashes of a chunk's blocks. */
    BlockHash[] pageKeys(ConnectorRequest request, int chunk) {
        BlockHash[] keys = new BlockHash[chunkBlocks];
        for (int i = 0; i < chunkBlocks; i++) {
            keys[i] = request.blockHash(chunk * chunkBlocks + i);
        }
        return keys;
    }

    /** The host pages of a place in the tier. */
    int[] pages(int place) {
        int[] pages = new int[chunkBlocks];
        for (int i = 0; i < chunkBlocks; i++) {
            pages[i] = place * chunkBlocks + i;
        }
        return pages;
    }
}
