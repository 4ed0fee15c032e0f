package dev.sluice.offload.host;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/**
 * Random histories of a connector: requests that come, load, compute, lose their blocks and end in any state; copies that
 * end in any order, late, in part, or for nobody; resets. The books are audited after every operation.
 */
class HostMemoryConnectorPropertyTest {

    private static final int SEEDS = 1_500;
    private static final int OPERATIONS = 250;

    @Test
    void theBooksBalanceAfterAnyHistory() {
        long loaded = 0;
        for (int seed = 0; seed < SEEDS; seed++) {
            RandomRequests tiers = new RandomRequests(seed);
            try {
                for (int i = 0; i < OPERATIONS; i++) {
                    tiers.operate();
                    tiers.audit();
                }
                tiers.end();
            } catch (RuntimeException e) {
                throw new AssertionError("seed " + seed + ": " + e.getMessage(), e);
            }
            loaded += tiers.blocksLoaded();
        }
        assertThat(loaded).as("blocks that came back: or nothing was tested").isGreaterThan(SEEDS);
    }
}
