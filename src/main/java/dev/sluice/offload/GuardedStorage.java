package dev.sluice.offload;

/** A storage tier, and what the transfers to and from it are told by and to. */
public record GuardedStorage(Tier tier, StorageTier storage) {}
