package dev.sluice.offload;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.KvLayout;
import dev.sluice.kv.TransferPlan;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a connector owes: the loads it was asked for, and the copies of its plans that are under way. With this the guard
 * can let through only what was asked for, and can say in the connector's place what has become of a load.
 *
 * <pre>
 *   announced --a plan was passed on--> under way --its copies have ended, and somebody said so--> forgotten
 *       |
 *       +------the plan was lost------> invalid, and over
 * </pre>
 */
final class PendingLoads {

    /** The load of one admission: which blocks it fills, and with what. */
    private static final class Load {
        private final long job; // NO_JOB for one that is part of the step
        private final int[] blocks;
        private final @Nullable BlockHash[] keys; // null for a last block that is not full
        private final BitSet covered = new BitSet(); // blocks of which there are copies
        private final Map<Integer, Integer> placeOf = new HashMap<>();
        private int openCopies;
        private boolean over; // the connector says so

        Load(long job, int[] blocks, @Nullable BlockHash[] keys) {
            this.job = job;
            this.blocks = blocks;
            this.keys = keys;
            for (int i = 0; i < blocks.length; i++) {
                placeOf.put(blocks[i], i);
            }
        }

        /** Covers the copy's blocks if all of them belong to this load, and are to hold the same. */
        boolean takes(BlockTransfer copy) {
            if (job == KvConnector.NO_JOB ? !copy.beforeStep() : copy.job() != job) {
                return false;
            }
            BitSet places = new BitSet();
            for (int i = 0; i < copy.blocks().length; i++) {
                Integer place = placeOf.get(copy.blocks()[i]);
                BlockHash key = place == null ? null : keys[place];
                if (place == null || (key != null && !key.equals(copy.keys()[i]))) {
                    return false;
                }
                places.set(place);
            }
            covered.or(places);
            openCopies++;
            return true;
        }
    }

    private record Copy(BlockTransfer transfer, @Nullable Load load) {}

    private final KvLayout layout;
    private final List<Load> announced = new ArrayList<>();
    private final Map<Long, Load> underWay = new LinkedHashMap<>();
    private final Map<Long, Copy> copies = new LinkedHashMap<>();
    private final List<FinishedTransfer> refused = new ArrayList<>();
    private int copiedLoads; // of the copies
    private boolean storesAreStale;
    private final LoadReport.Builder report = new LoadReport.Builder();

    PendingLoads(KvLayout layout) {
        this.layout = layout;
    }

    /** The connector has begun to load the last {@code externalTokens} of what is computed, under this job if it is one. */
    void announce(ConnectorRequest request, int[] blocks, int externalTokens, long job) {
        int end = request.computedTokens();
        int first = (end - externalTokens) / layout.blockSize();
        int[] targets = Arrays.copyOfRange(blocks, first, layout.blocksFor(end));
        BlockHash[] keys = new BlockHash[targets.length];
        for (int i = 0; i < keys.length && first + i < request.hashedBlocks(); i++) {
            keys[i] = request.blockHash(first + i);
        }
        announced.add(new Load(job, targets, keys));
    }

    /** True while a load has this job: no other may. */
    boolean isKnown(long job) {
        return underWay.containsKey(job) || announced.stream().anyMatch(load -> load.job == job);
    }

    /**
     * Lets through what was asked for. A load goes into blocks that were given for it, and brings what belongs there; after
     * a lost plan no store may come late, since its blocks may hold something else by now.
     *
     * @return the plan, less what is refused
     */
    TransferPlan accept(TransferPlan plan) {
        if (plan.isEmpty()) {
            storesAreStale = false;
            passedOn(false);
            return plan;
        }
        int before = refused.size();
        List<BlockTransfer> stores = new ArrayList<>(plan.stores().size());
        for (BlockTransfer store : plan.stores()) {
            if (!storesAreStale && isSound(store)) {
                copies.put(store.job(), new Copy(store, null));
                stores.add(store);
            } else {
                refuse(store);
            }
        }
        boolean doubtful = false;
        List<BlockTransfer> loads = new ArrayList<>(plan.loads().size());
        for (BlockTransfer load : plan.loads()) {
            Load owner = isSound(load) ? ownerOf(load) : null;
            if (owner != null) {
                copies.put(load.job(), new Copy(load, owner));
                copiedLoads++;
                loads.add(load);
            } else {
                refuse(load);
                doubtful = true;
            }
        }
        storesAreStale = false;
        passedOn(doubtful);
        long[] awaited = known(plan.awaited());
        boolean same = refused.size() == before && awaited.length == plan.awaited().length;
        return same ? plan : new TransferPlan(awaited, stores, loads);
    }

    /** Nobody can wait for a store whose plan was lost. */
    private long[] known(long[] jobs) {
        return jobs.length == 0
                ? jobs
                : Arrays.stream(jobs).filter(copies::containsKey).toArray();
    }

    private boolean isSound(BlockTransfer copy) {
        int count = copy.blocks().length;
        if (copy.pages().length != count || copy.keys().length != count || copies.containsKey(copy.job())) {
            return false;
        }
        for (int i = 0; i < count; i++) {
            if (!isBlock(copy.blocks()[i]) || copy.pages()[i] < 0) {
                return false;
            }
        }
        return true;
    }

    private boolean isBlock(int block) {
        return block > KvLayout.NULL_BLOCK && block < layout.blockCount();
    }

    private @Nullable Load ownerOf(BlockTransfer copy) {
        for (Load load : announced) {
            if (load.takes(copy)) {
                return load;
            }
        }
        return null;
    }

    private void refuse(BlockTransfer copy) {
        int[] all = new int[copy.blocks().length];
        Arrays.setAll(all, i -> i);
        refused.add(new FinishedTransfer(copy.job(), all, 0));
    }

    /** The connector could not take these in: it hears of them once more. */
    void tellAgain(List<FinishedTransfer> finished) {
        refused.addAll(finished);
    }

    /** @param doubtful whether a load without any copy may be one that was refused */
    private void passedOn(boolean doubtful) {
        for (Load load : announced) {
            boolean covered = !load.covered.isEmpty();
            if (!covered && doubtful) {
                end(load);
                continue;
            }
            for (int i = 0; i < load.blocks.length && covered; i++) {
                if (!load.covered.get(i)) {
                    report.invalidate(load.blocks[i]);
                }
            }
            if (load.job != KvConnector.NO_JOB) {
                underWay.put(load.job, load);
            }
        }
        announced.clear();
    }

    /** The plan that the announced loads belong to will not come. */
    void losePlan() {
        announced.forEach(this::end);
        announced.clear();
        storesAreStale = true;
    }

    private void end(Load load) {
        for (int block : load.blocks) {
            report.invalidate(block);
        }
        if (load.job != KvConnector.NO_JOB) {
            report.receive(load.job);
        }
    }

    /** Jobs of the stores under way. */
    long[] openStores() {
        return copies.values().stream()
                .filter(copy -> copy.load == null)
                .mapToLong(copy -> copy.transfer.job())
                .toArray();
    }

    /**
     * Copies have ended. What was not loaded is invalid, whatever the connector makes of it.
     *
     * @param speaks false if the connector does not: then a load is over with its last copy
     */
    void ended(List<FinishedTransfer> finished, boolean speaks) {
        for (FinishedTransfer transfer : finished) {
            Copy copy = copies.remove(transfer.job());
            Load load = copy == null ? null : copy.load;
            if (copy == null || load == null) {
                continue;
            }
            addInvalid(Arrays.stream(transfer.failed())
                    .map(position -> copy.transfer.blocks()[position])
                    .toArray());
            copiedLoads--;
            load.openCopies--;
            if (load.openCopies == 0 && (load.over || !speaks) && underWay.remove(load.job) != null) {
                report.receive(load.job);
            }
        }
    }

    /** The connector will not speak again: what it has not begun to copy is invalid, the rest is over with its last copy. */
    void takeOver() {
        losePlan();
        for (Load load : List.copyOf(underWay.values())) {
            if (load.openCopies == 0) {
                underWay.remove(load.job);
                end(load);
            }
        }
    }

    /** True while loads are under way, those of a step too, or something is to be told. */
    boolean isPending() {
        return !underWay.isEmpty() || copiedLoads > 0 || !report.isEmpty();
    }

    /** Jobs that the connector must hear of, whose outcome the scheduler has been told already. */
    List<FinishedTransfer> takeRefused() {
        List<FinishedTransfer> result = List.copyOf(refused);
        refused.clear();
        return result;
    }

    boolean hasRefused() {
        return !refused.isEmpty();
    }

    /** The connector says so; blocks that do not exist are left out. */
    void add(LoadReport said) {
        addInvalid(said.invalidBlocks());
        addEnded(said);
    }

    /** As {@link #add}, but for the blocks. Loads whose copies have not ended will be told later. */
    void addEnded(LoadReport said) {
        for (long job : said.received()) {
            Load load = underWay.get(job);
            if (load != null && load.openCopies > 0) {
                load.over = true;
            } else {
                underWay.remove(job);
                report.receive(job);
            }
        }
        for (long job : said.abandoned()) {
            report.abandon(job);
        }
    }

    private void addInvalid(int[] blocks) {
        for (int block : blocks) {
            if (isBlock(block)) {
                report.invalidate(block);
            }
        }
    }

    /** All that is to be told; nothing is left to be told. */
    LoadReport takeReport() {
        return report.take();
    }
}
