package dev.sluice.offload;

/**
 * A tier beyond the device, as transfers know it.
 *
 * @param name as metrics and answers spell it
 * @param guard who says whether it may be used, and hears how it does
 */
public record Tier(String name, TierGuard guard) {}
