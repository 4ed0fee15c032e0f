package dev.sluice.config;

import dev.sluice.offload.Tier;
import java.util.Map;
import java.util.Set;

/**
 * The guard of each tier beyond the device, by its name, the fastest tier first; they last as long as the process, whatever
 * the tiers behind them do.
 */
record TierGuards(Map<String, ResilientTier> byName) {

    Set<String> names() {
        return byName.keySet();
    }

    ResilientTier of(String tier) {
        ResilientTier guard = byName.get(tier);
        if (guard == null) {
            throw new IllegalStateException("no guard for " + tier);
        }
        return guard;
    }

    Tier tier(String name) {
        return new Tier(name, of(name));
    }
}
