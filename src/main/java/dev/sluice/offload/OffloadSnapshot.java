package dev.sluice.offload;

/**
 * What the tiers hold and do at one moment.
 *
 * @param hostCapacityBytes host memory for blocks
 * @param hostUsedBytes of it, what holds chunks, complete or being written
 * @param hostPinnedBytes of that, what copies read or write just now
 * @param storageCapacityBytes 0 without a storage tier
 * @param storageUsedBytes bytes kept there
 * @param openJobs copies under way
 * @param storesSkipped chunks not stored because too few requests had asked for them, so far
 * @param lateCompletions copies that ended after nobody knew them any more, so far
 */
public record OffloadSnapshot(
        long hostCapacityBytes,
        long hostUsedBytes,
        long hostPinnedBytes,
        long storageCapacityBytes,
        long storageUsedBytes,
        int openJobs,
        long storesSkipped,
        long lateCompletions) {}
