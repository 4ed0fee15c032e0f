package dev.sluice.offload;

/** A storage tier, with its name and guard, by which transfers know it. */
public record GuardedStorage(Tier tier, StorageTier storage) {}
