package dev.sluice.config;

/** The guard of each tier beyond the device; they last as long as the process, whatever the tiers behind them do. */
record TierGuards(ResilientTier host, ResilientTier storage) {}
