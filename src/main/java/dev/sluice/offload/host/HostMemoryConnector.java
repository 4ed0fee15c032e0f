package dev.sluice.offload.host;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.kv.KvLayout;
import dev.sluice.kv.TransferPlan;
import dev.sluice.offload.ConnectorRequest;
import dev.sluice.offload.ExternalMatch;
import dev.sluice.offload.KvConnector;
import dev.sluice.offload.LoadReport;
import dev.sluice.offload.OffloadListener;
import dev.sluice.offload.OffloadSnapshot;
import dev.sluice.offload.StepView;
import dev.sluice.offload.StorageTier;
import dev.sluice.offload.Tier;
import dev.sluice.offload.TierGuard;
import dev.sluice.offload.host.ChunkCache.State;
import dev.sluice.offload.host.TransferJobs.Job;
import dev.sluice.request.TokensByTier;
import dev.sluice.runtime.Clock;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Keeps key/value blocks in host memory, and behind it in a storage tier if there is one, so that evicted prefixes come
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

    private static final class RequestState {
        private int nextStored;
        private boolean admittedNow; // what it found may be computed only with this step
        private int fetchedTo;
        private boolean counted;
        private long loadJob = NO_JOB;
    }

    private final OffloadSettings settings;
    private final ChunkGeometry geometry;
    private final int blockSize;
    private final int chunkBlocks;
    private final int chunkTokens;
    private final boolean prefixCaching;
    private final ChunkCache cache;
    private final TransferJobs jobs;
    private final StorageTraffic storage;
    private final CopyResults results;
    private final TierGuard guard;
    private final Clock clock;
    private final IdentityHashMap<ConnectorRequest, RequestState> states = new IdentityHashMap<>();
    private final List<BlockHash> wanted = new ArrayList<>();
    private int generation;
    private long storesSkipped;
    private volatile OffloadSnapshot snapshot;

    /**
     * @param layout of the device's blocks
     * @param pages host memory, one page a block; what does not make a whole chunk stays unused
     * @param prefixCaching whether the device finds blocks by contents, so that waiting for another's load pays
     */
    public HostMemoryConnector(
            OffloadSettings settings,
            KvLayout layout,
            HostPages pages,
            TierGuard guard,
            @Nullable StorageTier storage,
            TierGuard storageGuard,
            OffloadListener listener,
            Clock clock,
            boolean prefixCaching) {
        this.settings = settings;
        this.guard = guard;
        this.clock = clock;
        this.prefixCaching = prefixCaching;
        geometry = new ChunkGeometry(layout.blockSize(), settings.blocksPerChunk(), pages.pageBytes());
        blockSize = geometry.blockSize();
        chunkBlocks = geometry.chunkBlocks();
        chunkTokens = geometry.chunkTokens();
        cache = ChunkCache.of(pages.count() / chunkBlocks, settings);
        jobs = new TransferJobs(layout.blockCount());
        this.storage = new StorageTraffic(storage, storageGuard, cache, listener, clock);
        results = new CopyResults(geometry, cache, jobs, this.storage, guard, listener, clock);
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
        int known = request.tokenCount() - (settings.asynchronous() ? 0 : 1);
        int limit = known / chunkTokens;
        if (limit * chunkTokens - localTokens < chunkTokens || !guard.permits()) {
            return ExternalMatch.NONE;
        }
        int first = localTokens / chunkTokens;
        countOnce(request, first, limit);
        wanted.clear();
        boolean waits = false;
        for (int chunk = first; chunk < limit; chunk++) {
            BlockHash key = geometry.key(request, chunk);
            State state = cache.lookup(key);
            if (state == State.ABSENT && !fetch(request, chunk, key)) {
                break;
            }
            waits |= state != State.READY || (prefixCaching && cache.isBeingLoaded(key));
            wanted.add(key);
        }
        int tokens = (first + wanted.size()) * chunkTokens - localTokens;
        if (tokens < chunkTokens) {
            return ExternalMatch.NONE;
        }
        if (waits) {
            return ExternalMatch.ASK_AGAIN;
        }
        cache.touch(wanted);
        return new ExternalMatch(byTier(request, tokens));
    }

    /** Of the chunks wanted, those that were fetched for this request count for the tier that they came from. */
    private TokensByTier byTier(ConnectorRequest request, int tokens) {
        Map<String, Integer> found = new LinkedHashMap<>();
        int left = tokens;
        for (int i = wanted.size() - 1; i >= 0; i--) {
            boolean fetched = cache.isFetchedFor(wanted.get(i), request.sequence());
            int part = Math.min(left, chunkTokens); // the device may hold the first chunk in part
            found.merge(fetched ? Tier.STORAGE.label() : Tier.HOST.label(), part, Integer::sum);
            left -= part;
        }
        return new TokensByTier(found);
    }

    private void countOnce(ConnectorRequest request, int from, int to) {
        RequestState state = state(request);
        for (int chunk = from; chunk < to && !state.counted; chunk++) {
            cache.countRequest(geometry.key(request, chunk));
        }
        state.counted = true;
    }

    /** Begins to bring a chunk back from the storage tier; false if it is not there, or there is no room for it. */
    private boolean fetch(ConnectorRequest request, int chunk, BlockHash key) {
        RequestState state = state(request);
        if (chunk < state.fetchedTo || !storage.has(key) || !cache.prepareFetch(key, wanted, request.sequence())) {
            return false;
        }
        state.fetchedTo = chunk + 1; // once only, or two requests could fetch each other's chunks out for ever
        return storage.read(key, geometry.pageKeys(request, chunk), geometry.pages(cache.id(key)), generation);
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
        int count = end / blockSize - firstBlock;
        int[] pages = new int[count];
        BlockHash[] keys = new BlockHash[count];
        List<BlockHash> chunks = new ArrayList<>();
        for (int chunk = firstBlock / chunkBlocks; chunk < end / chunkTokens; chunk++) {
            BlockHash key = geometry.key(request, chunk);
            int place = cache.beginLoad(key);
            chunks.add(key);
            for (int i = Math.max(firstBlock, chunk * chunkBlocks); i < (chunk + 1) * chunkBlocks; i++) {
                pages[i - firstBlock] = place * chunkBlocks + i % chunkBlocks;
                keys[i - firstBlock] = request.blockHash(i);
            }
        }
        int[] targets = Arrays.copyOfRange(blocks, firstBlock, firstBlock + count);
        boolean beforeStep = !settings.asynchronous();
        Job job = jobs.begin(false, beforeStep, chunks, targets, pages, keys, clock.monotonicNanos(), generation);
        if (beforeStep) {
            return NO_JOB;
        }
        state.loadJob = job.id;
        return job.id;
    }

    @Override
    public void onPreempted(ConnectorRequest request, int[] blocks, int blockCount) {
        RequestState state = state(request);
        store(request, state, blocks);
        state.fetchedTo = 0;
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
        if (jobs.hasStores()) {
            fence(step);
        }
        TransferPlan plan = jobs.takePlan();
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
                jobs.willWrite(blocks[block]);
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
        if (complete <= state.nextStored || jobs.isLoading(state.loadJob) || !guard.permits()) {
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
        int[] sources = new int[accepted.size() * chunkBlocks];
        int[] pages = new int[sources.length];
        BlockHash[] keys = new BlockHash[sources.length];
        int next = 0;
        for (int i = 0; i < offered.size() && next < accepted.size(); i++) {
            BlockHash key = offered.get(i);
            if (!key.equals(accepted.get(next))) {
                continue;
            }
            int place = cache.id(key) * chunkBlocks;
            for (int j = 0; j < chunkBlocks; j++) {
                int block = (first + i) * chunkBlocks + j;
                sources[next * chunkBlocks + j] = blocks[block];
                pages[next * chunkBlocks + j] = place + j;
                keys[next * chunkBlocks + j] = request.blockHash(block);
            }
            next++;
        }
        jobs.begin(true, false, accepted, sources, pages, keys, clock.monotonicNanos(), generation);
    }

    @Override
    public LoadReport onTransfers(List<FinishedTransfer> finished) {
        boolean storageMoved = storage.poll(generation);
        LoadReport report = results.apply(finished, generation);
        if (storageMoved || !finished.isEmpty()) {
            publish();
        }
        return report;
    }

    @Override
    public boolean hasPendingWork() {
        return jobs.openCount() > 0 || storage.hasPendingWork();
    }

    /** Forgets everything stored; copies under way end without effect. */
    @Override
    public void reset() {
        generation++;
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
        return new OffloadSnapshot(
                cache.capacity() * geometry.chunkBytes(),
                cache.used() * geometry.chunkBytes(),
                cache.pinned() * geometry.chunkBytes(),
                storage.bytesCapacity(),
                storage.bytesUsed(),
                jobs.openCount() + storage.openCount(),
                storesSkipped,
                results.lateCompletions());
    }

    /**
     * Audits chunks, pins and the fence.
     *
     * @throws IllegalStateException saying what does not balance
     */
    public void verifyBooks() {
        cache.verify();
        jobs.verify();
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
