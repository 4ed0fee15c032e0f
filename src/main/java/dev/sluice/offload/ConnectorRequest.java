package dev.sluice.offload;

import dev.sluice.kv.BlockHash;

/** What a connector may know of a request; a live view, read on the scheduler's thread only. */
public interface ConnectorRequest {

    /** Number of the sequence, unique for the life of the engine. */
    long sequence();

    int promptLength();

    /** Prompt plus output so far. */
    int tokenCount();

    /** Tokens whose keys and values are in blocks, or are being loaded into them. */
    int computedTokens();

    /** Number of full blocks whose content hash is known. */
    int hashedBlocks();

    /** Chain hash of the first {@code index + 1} blocks. */
    BlockHash blockHash(int index);

    /** Leading tokens that may be stored beyond the device. */
    int maxOffloadTokens();
}
