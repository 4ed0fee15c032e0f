package dev.sluice.offload.host;

import dev.sluice.kv.BlockHash;
import dev.sluice.offload.GuardedStorage;
import dev.sluice.offload.StorageTier;
import dev.sluice.offload.StorageTier.Lookup;
import dev.sluice.offload.Transfer;
import dev.sluice.offload.TransferLedger;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The tiers behind host memory, the faster first. Every chunk that is stored is written through to each of them, and read
 * back from the first that has it.
 */
final class StorageTiers {

    /** What the tiers know of a chunk; of a hit, which tier has it. */
    record Found(Lookup lookup, @Nullable GuardedStorage holder) {
        static final Found MISS = new Found(Lookup.MISS, null);
        static final Found ASK_AGAIN = new Found(Lookup.ASK_AGAIN, null);
    }

    private final List<GuardedStorage> tiers;
    private final ChunkCache cache;
    private final TransferLedger ledger;

    StorageTiers(List<GuardedStorage> tiers, ChunkCache cache, TransferLedger ledger) {
        this.tiers = List.copyOf(tiers);
        this.cache = cache;
        this.ledger = ledger;
    }

    List<GuardedStorage> tiers() {
        return tiers;
    }

    /** @param waitedNanos so long the request has waited for answers: a tier whose time is over has missed */
    Found lookup(BlockHash key, long waitedNanos) {
        for (GuardedStorage slow : tiers) {
            Lookup lookup = slow.tier().guard().permits() ? slow.storage().lookup(key) : Lookup.MISS;
            if (lookup == Lookup.HIT) {
                return new Found(lookup, slow);
            }
            if (lookup == Lookup.ASK_AGAIN && waitedNanos <= slow.tier().guard().timeLimitNanos()) {
                return Found.ASK_AGAIN;
            }
        }
        return Found.MISS;
    }

    /** Writes a chunk of host memory to each tier, unless it is there or the tier is busy or out of order. */
    void write(BlockHash key, BlockHash[] pageKeys, int[] pages) {
        for (GuardedStorage slow : tiers) {
            if (slow.storage().lookup(key) == Lookup.HIT || !slow.tier().guard().permits()) {
                continue;
            }
            Transfer transfer = ledger.begin(slow.tier(), false, key);
            cache.pin(key);
            if (!slow.storage().write(transfer.job(), key, pageKeys, pages)) {
                ledger.withdraw(transfer);
                cache.unpin(key);
            }
        }
    }

    /**
     * Begins to read a chunk into the place that host memory has made for it.
     *
     * @return false if the tier cannot now; then the place is free again
     */
    boolean read(GuardedStorage holder, BlockHash key, BlockHash[] pageKeys, int[] pages) {
        Transfer transfer = ledger.begin(holder.tier(), true, key);
        if (!holder.storage().read(transfer.job(), key, pageKeys, pages)) {
            ledger.withdraw(transfer);
            cache.completeStore(key, false);
            return false;
        }
        return true;
    }

    /** What has ended since the last call. */
    List<StorageTier.Ended> poll() {
        List<StorageTier.Ended> ended = List.of();
        for (int i = 0; i < tiers.size(); i++) {
            List<StorageTier.Ended> more = tiers.get(i).storage().poll();
            if (!more.isEmpty()) {
                ended = new ArrayList<>(ended);
                ended.addAll(more);
            }
        }
        return ended;
    }

    void reset() {
        tiers.forEach(slow -> slow.storage().reset());
    }

    void close() {
        tiers.forEach(slow -> slow.storage().close());
    }
}
