package dev.sluice.kv;

/**
 * One copy job of one sequence: {@code deviceBlocks[i]} and {@code hostPages[i]} exchange contents.
 *
 * @param job strictly increasing over loads and stores together
 * @param sequence number of the sequence the blocks belong to
 */
@SuppressWarnings("ArrayRecordComponent") // written once by the connector, read once by the executor
public record BlockTransfer(long job, long sequence, int[] deviceBlocks, long[] hostPages) {}
