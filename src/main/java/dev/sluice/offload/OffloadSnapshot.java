package dev.sluice.offload;

import java.util.List;

/**
 * What the tiers hold and do at one moment.
 *
 * @param tiers the fastest first
 * @param openJobs transfers under way
 * @param storesSkipped chunks not stored because too few requests had asked for them, so far
 * @param lateCompletions transfers that ended after nobody knew them any more, so far
 */
public record OffloadSnapshot(List<TierBytes> tiers, int openJobs, long storesSkipped, long lateCompletions) {

    /**
     * What one tier holds.
     *
     * @param capacity bytes that it may hold
     * @param used of these, what holds chunks, complete or being written
     * @param pinned of those, what transfers read or write just now, as far as the tier knows
     */
    public record TierBytes(String tier, long capacity, long used, long pinned) {}

    /** The bytes of one tier; none if there is no such tier. */
    public TierBytes tier(String name) {
        for (TierBytes tier : tiers) {
            if (tier.tier().equals(name)) {
                return tier;
            }
        }
        return new TierBytes(name, 0, 0, 0);
    }
}
