package dev.sluice.sim;

import dev.sluice.executor.sim.FaultPlan;
import dev.sluice.executor.sim.SimulatedExecutor;
import dev.sluice.kv.HostPages;
import dev.sluice.kv.KvLayout;
import dev.sluice.offload.GuardedStorage;
import dev.sluice.offload.OffloadListener;
import dev.sluice.offload.Tier;
import dev.sluice.offload.TierGuard;
import dev.sluice.offload.host.HostMemoryConnector;
import dev.sluice.offload.host.OffloadSettings;
import dev.sluice.offload.host.OffloadSettings.Eviction;
import dev.sluice.request.TokensByTier;
import dev.sluice.testkit.VirtualClock;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.SplittableRandom;

/** The tiers of one simulated world and what goes wrong in them, as the seed decides. */
final class SimulatedTiers {

    private final Random random;
    private final double failureRate;
    private final double damageRate;
    private final double hangRate;
    private final double sickRate;
    private final int delay;
    private final long timeLimitNanos;
    private boolean faultsOn = true;
    private boolean sick;

    SimulatedTiers(Random random) {
        this.random = random;
        failureRate = chance(0.4) ? random.nextDouble() * (chance(0.3) ? 0.4 : 0.1) : 0;
        damageRate = chance(0.4) ? random.nextDouble() * (chance(0.3) ? 0.4 : 0.1) : 0;
        hangRate = chance(0.3) ? random.nextDouble() * (chance(0.5) ? 0.8 : 0.1) : 0;
        sickRate = chance(0.2) ? random.nextDouble() * 0.05 : 0;
        timeLimitNanos = chance(0.5) ? 100_000_000 : 400_000_000; // some ten, or forty, turns
        delay = random.nextInt(chance(0.5) ? 3 : 12);
    }

    private boolean chance(double probability) {
        return random.nextDouble() < probability;
    }

    void endFaults() {
        faultsOn = false;
        sick = false;
    }

    /** Falls ill, or recovers. */
    void turn() {
        if (faultsOn && chance(sickRate)) {
            sick = !sick;
        }
    }

    boolean failsCopy() {
        return faultsOn && chance(failureRate);
    }

    boolean damagesPage() {
        return faultsOn && chance(damageRate);
    }

    int copyDelay() {
        return faultsOn && chance(hangRate) ? 30 + random.nextInt(300) : random.nextInt(delay + 1);
    }

    /** The production connector over the simulator's memory. */
    CheckedConnector connector(SimulatedExecutor executor, KvLayout layout, VirtualClock clock, boolean prefixCaching) {
        OffloadSettings settings = new OffloadSettings(
                chance(0.4) ? 1 : 2 + random.nextInt(3),
                chance(0.5) ? Eviction.LRU : Eviction.ARC,
                chance(0.2) ? 2 : 0,
                1 + random.nextInt(50),
                chance(0.5),
                chance(0.7));
        HostPages pages = executor.allocateHostPages(1 + random.nextInt(chance(0.3) ? 10 : 300));
        List<GuardedStorage> storage =
                chance(0.5) ? storage(pages, 1 + random.nextInt(100), random.nextLong()) : List.of();
        HostMemoryConnector connector = new HostMemoryConnector(
                settings,
                layout,
                pages,
                new Tier(TokensByTier.HOST, guard()),
                storage,
                OffloadListener.NONE,
                clock,
                prefixCaching);
        return new CheckedConnector(connector, layout.blockSize(), storage.isEmpty());
    }

    /** One tier like a disk, or one that is remote, or the one behind the other. */
    private List<GuardedStorage> storage(HostPages pages, int capacity, long seed) {
        Random draws = new Random(new SplittableRandom(seed).nextLong());
        List<GuardedStorage> tiers = new ArrayList<>();
        int which = draws.nextInt(3);
        for (boolean remote : new boolean[] {false, true}) {
            if (which == 2 || remote == (which == 1)) {
                SimulatedStorage storage = new SimulatedStorage(
                        pages, capacity, delay, failureRate, () -> faultsOn, new Random(draws.nextLong()), remote);
                tiers.add(new GuardedStorage(new Tier(remote ? "remote" : "storage", guard()), storage));
            }
        }
        return tiers;
    }

    private TierGuard guard() {
        return new TierGuard() {
            @Override
            public boolean permits() {
                return !sick;
            }

            @Override
            public long timeLimitNanos() {
                return timeLimitNanos;
            }
        };
    }

    /** Adds the copies' faults to those of the steps. */
    FaultPlan faults(FaultPlan steps) {
        return new FaultPlan() {
            @Override
            public boolean failsStep(long step) {
                return steps.failsStep(step);
            }

            @Override
            public boolean failsSequence(long step, long sequence) {
                return steps.failsSequence(step, sequence);
            }

            @Override
            public int copyDelay(long job) {
                return SimulatedTiers.this.copyDelay();
            }

            @Override
            public boolean failsCopy(long job, int index) {
                return SimulatedTiers.this.failsCopy();
            }

            @Override
            public boolean damagesPage(long job, int index) {
                return SimulatedTiers.this.damagesPage();
            }
        };
    }
}
