package dev.sluice.kv;

/**
 * One copy job: the contents of {@code blocks[i]} on the device and of {@code pages[i]} on the host become the same, and
 * are, or must be, what {@code keys[i]} stands for.
 *
 * @param job strictly increasing over loads and stores together
 * @param beforeStep for a load: the step's computation reads the blocks, so it waits for this job
 */
@SuppressWarnings("ArrayRecordComponent") // written once by the connector, read by the executor
public record BlockTransfer(long job, int[] blocks, int[] pages, BlockHash[] keys, boolean beforeStep) {}
