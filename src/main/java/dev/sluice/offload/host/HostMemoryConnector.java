package dev.sluice.offload.host;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.kv.KvLayout;
import dev.sluice.kv.TransferPlan;
import dev.sluice.offload.ConnectorRequest;
import dev.sluice.offload.ExternalMatch;
import dev.sluice.offload.GuardedStorage;
import dev.sluice.offload.KvConnector;
import dev.sluice.offload.LoadReport;
import dev.sluice.offload.OffloadListener;
import dev.sluice.offload.OffloadSnapshot;
import dev.sluice.offload.OffloadSnapshot.TierBytes;
import dev.sluice.offload.StepView;
import dev.sluice.offload.StorageTier;
import dev.sluice.offload.Tier;
import dev.sluice.offload.Transfer;
import dev.sluice.offload.TransferLedger;
import dev.sluice.runtime.Clock;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;

/**
 * Keeps key/value blocks in host memory, and behind it in storage tiers if there are any, so that evicted prefixes come
 * back instead of being computed again. The idea and the rules are those of vLLM's offloading connector.
 *
 * <p>Blocks travel in chunks of consecutive blocks; a chunk is known by the hash of its last block, which stands for the
 * whole prefix. A chunk is stored when the steps that computed all of it are over, so its contents are certain; the copy
 * runs beside later steps, and a fence sees to it that a block is not written anew before its copy has ended. That is why
 * blocks need not be held for a store: they are freed when their request ends, copied or not.
 *
 * <p>Owned by the scheduler's thread; no call waits for anything.
 */
public final class HostMemoryConnector implements KvConnector {

    private final OffloadSettings settings;
    private final ChunkGeometry geometry;
    private final int blockSize;
    private final int chunkBlocks;
    private final int chunkTokens;
    private final ChunkCache cache;
    private final TransferLedger ledger;
    private final StorageTiers storage;
    private final PrefixLookup lookup;
    private final TransferCompletions completions;
    private final Tier host;
    private final Clock clock;
    private final IdentityHashMap<ConnectorRequest, RequestState> states = new IdentityHashMap<>();
    private long storesSkipped;
    private volatile OffloadSnapshot snapshot;

    /**
     * @param layout of the device's blocks
     * @param pages host memory, one page a block; what does not make a whole chunk stays unused
     * @param host host memory, as transfers between it and the device know it
     * @param storage the tiers behind host memory, the faster first
     * @param prefixCaching whether the device finds blocks by contents, so that waiting for another's load pays
     */
    public HostMemoryConnector(
            OffloadSettings settings,
            KvLayout layout,
            HostPages pages,
            Tier host,
            List<GuardedStorage> storage,
            OffloadListener listener,
            Clock clock,
            boolean prefixCaching) {
        this.settings = settings;
        this.host = host;
        this.clock = clock;
        geometry = new ChunkGeometry(layout.blockSize(), settings.blocksPerChunk(), pages.pageBytes());
        blockSize = geometry.blockSize();
        chunkBlocks = geometry.chunkBlocks();
        chunkTokens = geometry.chunkTokens();
        cache = ChunkCache.of(pages.count() / chunkBlocks, settings);
        ledger = new TransferLedger(
                layout.blockCount(), pages.pageBytes(), GuardedOffloadListener.of(listener, clock), clock);
        this.storage = new StorageTiers(storage, cache, ledger);
        lookup = new PrefixLookup(geometry, cache, host, this.storage, clock, settings.asynchronous(), prefixCaching);
        completions = new TransferCompletions(geometry, cache, ledger, this.storage);
        snapshot = takeSnapshot();
    }

    @Override
    public boolean loadsAsynchronously() {
        return settings.asynchronous();
    }

    @Override
    public void onNewRequest(ConnectorRequest request) {
        states.put(request, new RequestState());
    }

    @Override
    public ExternalMatch match(ConnectorRequest request, int localTokens) {
        return lookup.match(request, state(request), localTokens);
    }

    @Override
    public long onAllocated(ConnectorRequest request, int[] blocks, int blockCount, int externalTokens) {
        RequestState state = state(request);
        state.nextStored = 0;
        state.admittedNow = true;
        if (externalTokens == 0) {
            return NO_JOB;
        }
        int end = request.computedTokens();
        int firstBlock = (end - externalTokens) / blockSize;
        List<BlockHash> chunks = new ArrayList<>();
        for (int chunk = firstBlock / chunkBlocks; chunk < end / chunkTokens; chunk++) {
            BlockHash key = geometry.key(request, chunk);
            cache.beginLoad(key);
            chunks.add(key);
        }
        int[] which = new int[end / blockSize - firstBlock];
        Arrays.setAll(which, i -> firstBlock + i);
        Transfer load = beginCopy(true, request, blocks, chunks, which);
        if (!load.isAsynchronousLoad()) {
            return NO_JOB;
        }
        state.loadJob = load.job();
        return load.job();
    }

    /** @param which blocks of the request: those of the chunks, of the first one perhaps only the last */
    private Transfer beginCopy(
            boolean load, ConnectorRequest request, int[] blocks, List<BlockHash> chunks, int[] which) {
        int[] copied = new int[which.length];
        int[] pages = new int[which.length];
        BlockHash[] keys = new BlockHash[which.length];
        for (int i = 0; i < which.length; i++) {
            copied[i] = blocks[which[i]];
            int place = cache.id(geometry.key(request, which[i] / chunkBlocks));
            pages[i] = place * chunkBlocks + which[i] % chunkBlocks;
            keys[i] = request.blockHash(which[i]);
        }
        return ledger.beginCopy(host, load, load && !settings.asynchronous(), chunks, copied, pages, keys);
    }

    @Override
    public void onPreempted(ConnectorRequest request, int[] blocks, int blockCount) {
        RequestState state = state(request);
        store(request, state, blocks);
        state.fetchedTo = 0;
        state.askedNanos = clock.monotonicNanos();
    }

    @Override
    public void onFinished(ConnectorRequest request, int[] blocks, int blockCount) {
        store(request, state(request), blocks); // the fence protects what is still being copied
        states.remove(request);
    }

    @Override
    public TransferPlan planTransfers(StepView step) {
        for (int i = 0; i < step.size(); i++) {
            ConnectorRequest request = step.request(i);
            RequestState state = state(request);
            if (state.admittedNow) {
                state.admittedNow = false;
            } else {
                store(request, state, step.blocks(i));
            }
        }
        if (ledger.hasStores()) {
            fence(step);
        }
        TransferPlan plan = ledger.takePlan();
        if (!plan.isEmpty()) {
            publish();
        }
        return plan;
    }

    /** No step writes a block that a store still reads. */
    private void fence(StepView step) {
        for (int i = 0; i < step.size(); i++) {
            int computed = step.request(i).computedTokens();
            int last = (computed + step.scheduledTokens(i) - 1) / blockSize;
            int[] blocks = step.blocks(i);
            for (int block = computed / blockSize; block <= last; block++) {
                ledger.willWrite(blocks[block]);
            }
        }
    }

    /** Begins to store the chunks that are complete and were not offered yet. */
    private void store(ConnectorRequest request, RequestState state, int[] blocks) {
        int tokens = Math.min(request.computedTokens(), request.maxOffloadTokens());
        if (settings.promptOnly()) {
            tokens = Math.min(tokens, request.promptLength());
        }
        int complete = Math.min(tokens / chunkTokens, cache.capacity()); // of what cannot fit, the head
        if (request.computedTokens() < state.nextStored * chunkTokens) {
            state.nextStored = request.computedTokens() / chunkTokens; // a load failed: computed anew, offered anew
        }
        if (complete <= state.nextStored
                || ledger.isUnderWay(state.loadJob)
                || !host.guard().permits()) {
            return;
        }
        List<BlockHash> offered = new ArrayList<>(complete - state.nextStored);
        for (int chunk = state.nextStored; chunk < complete; chunk++) {
            offered.add(geometry.key(request, chunk));
        }
        List<BlockHash> accepted = cache.prepareStore(offered);
        if (accepted == null) {
            return; // no room now: offered again with the next step
        }
        if (!accepted.isEmpty()) {
            cache.touch(offered);
            beginStore(request, state.nextStored, offered, accepted, blocks);
        }
        state.nextStored = complete;
        storesSkipped += cache.takeSkipped();
    }

    private void beginStore(
            ConnectorRequest request, int first, List<BlockHash> offered, List<BlockHash> accepted, int[] blocks) {
        int[] which = new int[accepted.size() * chunkBlocks];
        int next = 0;
        for (int i = 0; next < which.length; i++) {
            boolean isAccepted = offered.get(i).equals(accepted.get(next / chunkBlocks));
            for (int block = (first + i) * chunkBlocks; isAccepted && block < (first + i + 1) * chunkBlocks; block++) {
                which[next++] = block;
            }
        }
        beginCopy(false, request, blocks, accepted, which);
    }

    @Override
    public LoadReport onTransfers(List<FinishedTransfer> finished) {
        boolean storageMoved = completions.poll();
        LoadReport report = completions.apply(finished);
        if (storageMoved || !finished.isEmpty()) {
            publish();
        }
        return report;
    }

    @Override
    public boolean hasPendingWork() {
        return ledger.openCount() > 0;
    }

    /** Forgets everything stored; copies under way end without effect. */
    @Override
    public void reset() {
        ledger.reset();
        cache.clear();
        storage.reset();
        for (RequestState state : states.values()) {
            state.nextStored = 0;
        }
        publish();
    }

    @Override
    public void close() {
        storage.close();
    }

    /** The state at the latest change; any thread. */
    public OffloadSnapshot snapshot() {
        return snapshot;
    }

    private void publish() {
        snapshot = takeSnapshot();
    }

    private OffloadSnapshot takeSnapshot() {
        List<TierBytes> tiers = new ArrayList<>();
        long chunkBytes = geometry.chunkBytes();
        tiers.add(new TierBytes(
                host.name(), cache.capacity() * chunkBytes, cache.used() * chunkBytes, cache.pinned() * chunkBytes));
        for (GuardedStorage slow : storage.tiers()) {
            StorageTier kept = slow.storage();
            tiers.add(new TierBytes(slow.tier().name(), kept.bytesCapacity(), kept.bytesUsed(), 0));
        }
        return new OffloadSnapshot(tiers, ledger.openCount(), storesSkipped, ledger.lateCompletions());
    }

    /**
     * Audits chunks, pins and the fence.
     *
     * @throws IllegalStateException saying what does not balance
     */
    public void verifyBooks() {
        cache.verify();
        ledger.verify();
        if (states.isEmpty() && !hasPendingWork() && cache.pinned() != 0) {
            throw new IllegalStateException("host tier: nothing is under way, but chunks are pinned");
        }
    }

    private RequestState state(ConnectorRequest request) {
        RequestState state = states.get(request);
        if (state == null) {
            throw new IllegalStateException("request " + request.sequence() + " is not known to the connector");
        }
        return state;
    }
}
