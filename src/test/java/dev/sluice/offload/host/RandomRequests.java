package dev.sluice.offload.host;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.BlockHasher;
import dev.sluice.kv.BlockTable;
import dev.sluice.kv.BlockTransfer;
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
import dev.sluice.offload.Tier;
import dev.sluice.offload.TierGuard;
import dev.sluice.offload.host.OffloadSettings.Eviction;
import dev.sluice.request.TokensByTier;
import dev.sluice.testkit.VirtualClock;
import java.lang.foreign.Arena;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * A connector in the hands of one seed, which plays scheduler and executor: it gives and takes blocks, and carries out
 * copies as late as it likes. It knows of every block and page whose contents they hold.
 */
final class RandomRequests {

    private static final int BLOCK_SIZE = 2;
    private static final long TIME_LIMIT = 1000;

    private final Random random;
    private final VirtualClock clock = new VirtualClock();
    private final BlockHasher hasher = new BlockHasher(BLOCK_SIZE, new byte[32]);
    private final OffloadSettings settings;
    private final int pageCount;
    private final HostMemoryConnector connector;
    private final int deviceBlocks;
    private final @Nullable BlockHash[] onDevice;
    private final @Nullable BlockHash[] findable;
    private final int[] holders;
    private final @Nullable BlockHash[] onHost;
    private final Deque<Integer> free = new ArrayDeque<>();
    private final List<Player> players = new ArrayList<>();
    private final Map<Long, BlockTransfer> open = new LinkedHashMap<>();
    private final Map<Long, Boolean> isStore = new HashMap<>();
    private final Map<Long, List<Integer>> kept = new HashMap<>();
    private final List<FinishedTransfer> finished = new ArrayList<>();
    private long sequences;
    private final int[] storedIn; // page -> number of resets before it was stored
    private final int haste;
    private int resets;
    private long blocksLoaded;

    private enum Stage {
        NEW,
        LOADING,
        LOADED,
        RUNNING
    }

    /** A request as the scheduler would know it. */
    private final class Player implements ConnectorRequest {
        private final long number = ++sequences;
        private final int[] tokens;
        private final int promptLength;
        private final BlockTable hashes = new BlockTable(null);
        private final int offloadMax = random.nextInt(10) > 0 ? Integer.MAX_VALUE : random.nextInt(12);
        private final List<Integer> blocks = new ArrayList<>();
        private Stage stage = Stage.NEW;
        private long job;
        private int computed;
        private int scheduled;
        private int admittedIn;

        Player(int[] tokens) {
            this.tokens = tokens;
            promptLength = 1 + random.nextInt(tokens.length);
            hashes.extendHashes(hasher, tokens, tokens.length);
        }

        int[] table() {
            return blocks.stream().mapToInt(Integer::intValue).toArray();
        }

        boolean reserve(int positions) {
            int needed = (positions + BLOCK_SIZE - 1) / BLOCK_SIZE - blocks.size();
            if (needed > free.size()) {
                return false;
            }
            for (int i = 0; i < needed; i++) {
                int block = free.removeFirst();
                holders[block] = 1;
                findable[block] = null;
                blocks.add(block);
            }
            return true;
        }

        void giveBack() {
            release(blocks);
            blocks.clear();
            computed = 0;
            stage = Stage.NEW;
        }

        void keepForJob() {
            kept.put(job, List.copyOf(blocks));
            blocks.clear();
            computed = 0;
            stage = Stage.NEW;
        }

        @Override
        public long sequence() {
            return number;
        }

        @Override
        public int promptLength() {
            return promptLength;
        }

        @Override
        public int tokenCount() {
            return tokens.length;
        }

        @Override
        public int computedTokens() {
            return computed;
        }

        @Override
        public int hashedBlocks() {
            return hashes.hashed();
        }

        @Override
        public BlockHash blockHash(int index) {
            return hashes.hash(index);
        }

        @Override
        public int maxOffloadTokens() {
            return offloadMax;
        }
    }

    private record Step(List<Player> players) implements StepView {
        @Override
        public int size() {
            return players.size();
        }

        @Override
        public ConnectorRequest request(int index) {
            return players.get(index);
        }

        @Override
        public int scheduledTokens(int index) {
            return players.get(index).scheduled;
        }

        @Override
        public int[] blocks(int index) {
            return players.get(index).table();
        }

        @Override
        public int blockCount(int index) {
            return players.get(index).blocks.size();
        }
    }

    RandomRequests(long seed) {
        random = new Random(new SplittableRandom(seed).nextLong());
        settings = new OffloadSettings(
                1 + random.nextInt(3),
                random.nextBoolean() ? Eviction.LRU : Eviction.ARC,
                random.nextInt(4) == 0 ? 2 : 0,
                1 + random.nextInt(20),
                random.nextBoolean(),
                random.nextInt(3) > 0);
        haste = 1 + random.nextInt(random.nextBoolean() ? 4 : 30);
        deviceBlocks = 14 + random.nextInt(26);
        onDevice = new BlockHash[deviceBlocks];
        findable = new BlockHash[deviceBlocks];
        holders = new int[deviceBlocks];
        pageCount = random.nextInt(random.nextBoolean() ? 12 : 60);
        onHost = new BlockHash[pageCount];
        storedIn = new int[pageCount];
        for (int block = 1; block < deviceBlocks; block++) {
            free.add(block);
        }
        HostPages pages = new HostPages(Arena.ofAuto().allocate(Math.max(1, pageCount) * 8L), 8);
        TierGuard guard = new TierGuard() {
            @Override
            public long timeLimitNanos() {
                return TIME_LIMIT;
            }
        };
        connector = new HostMemoryConnector(
                settings,
                new KvLayout(deviceBlocks, BLOCK_SIZE),
                pageCount == 0 ? new HostPages(Arena.ofAuto().allocate(0), 8) : pages,
                new Tier(TokensByTier.HOST, guard),
                List.of(),
                OffloadListener.NONE,
                clock,
                random.nextBoolean());
    }

    long blocksLoaded() {
        return blocksLoaded;
    }

    void operate() {
        clock.advanceNanos(1 + random.nextInt(40));
        switch (random.nextInt(20)) {
            case 0, 1, 2 -> arrive();
            case 3, 4, 5, 6 -> any(Stage.NEW, this::admit);
            case 7 -> any(Stage.LOADED, this::enter);
            case 8 -> any(Stage.RUNNING, this::preempt);
            case 9 -> any(null, this::finish);
            case 10, 11, 12 -> {
                if (random.nextInt(haste) == 0) {
                    endSomeCopy();
                }
            }
            case 13 -> report();
            case 14 -> strayReport();
            case 15 -> {
                if (random.nextInt(10) == 0) {
                    connector.reset();
                    resets++;
                }
            }
            default -> step();
        }
    }

    private interface Move {
        void make(Player player);
    }

    private void any(@Nullable Stage stage, Move move) {
        List<Player> candidates =
                players.stream().filter(p -> stage == null || p.stage == stage).toList();
        if (!candidates.isEmpty()) {
            move.make(candidates.get(random.nextInt(candidates.size())));
        }
    }

    /** Few tokens and copied beginnings, so that prefixes are shared, also within a chunk. */
    private void arrive() {
        if (players.size() == 8) {
            return;
        }
        int[] tokens = random.ints(1 + random.nextInt(24), 0, 2).toArray();
        if (!players.isEmpty() && random.nextBoolean()) {
            int[] other = players.get(random.nextInt(players.size())).tokens;
            System.arraycopy(other, 0, tokens, 0, random.nextInt(Math.min(other.length, tokens.length) + 1));
        } else if (random.nextBoolean()) {
            Arrays.fill(tokens, random.nextInt(2));
        }
        Player player = new Player(tokens);
        players.add(player);
        connector.onNewRequest(player);
    }

    private void release(List<Integer> blocks) {
        for (int i = blocks.size() - 1; i >= 0; i--) {
            if (--holders[blocks.get(i)] == 0) {
                free.addLast(blocks.get(i));
            }
        }
    }

    /** Blocks that hold the beginning of a request; not always all of them, or any. */
    private List<Integer> hits(Player player) {
        List<Integer> hits = new ArrayList<>();
        int most = random.nextInt(4) == 0 ? 0 : ((player.tokens.length - 1) / BLOCK_SIZE);
        for (int i = 0; i < most && random.nextInt(6) > 0; i++) {
            for (int block = 1; block < deviceBlocks; block++) {
                if (hits.size() == i && player.blockHash(i).equals(findable[block])) {
                    hits.add(block);
                }
            }
            if (hits.size() == i) {
                break;
            }
        }
        return hits;
    }

    private void admit(Player player) {
        List<Integer> hits = hits(player);
        int found = hits.size() * BLOCK_SIZE;
        ExternalMatch match = connector.match(player, found);
        int promise = match.tokens();
        if (match.askAgain() || player.tokens.length == 1) {
            return;
        }
        int most = player.tokens.length - found - (settings.asynchronous() ? 0 : 1);
        check(promise >= 0 && promise <= most && promise % BLOCK_SIZE == 0, "promised " + promise + " of " + most);
        for (int block : hits) {
            if (holders[block]++ == 0) {
                free.remove(block);
            }
        }
        player.blocks.addAll(hits);
        if (!player.reserve(found + promise)) {
            player.giveBack();
            return;
        }
        player.computed = found + promise;
        player.admittedIn = resets;
        player.job = connector.onAllocated(player, player.table(), player.blocks.size(), promise);
        boolean loads = promise > 0 && settings.asynchronous();
        check((player.job != KvConnector.NO_JOB) == loads, "a job without need, or none with");
        player.stage = loads ? Stage.LOADING : Stage.RUNNING;
        if (promise > 0 && !loads) {
            step(List.of(player)); // the step that waits for its load
        }
    }

    private void enter(Player player) {
        connector.onAllocated(player, player.table(), player.blocks.size(), 0);
        player.stage = Stage.RUNNING;
    }

    private void preempt(Player player) {
        connector.onPreempted(player, player.table(), player.blocks.size());
        player.giveBack();
    }

    private void finish(Player player) {
        connector.onFinished(player, player.table(), player.blocks.size());
        players.remove(player);
        if (player.stage == Stage.LOADING) {
            player.keepForJob();
        } else {
            player.giveBack();
        }
    }

    private void step() {
        step(players.stream()
                .filter(p -> p.stage == Stage.RUNNING && random.nextInt(4) > 0)
                .toList());
    }

    private void step(List<Player> candidates) {
        List<Player> batch = new ArrayList<>();
        for (Player player : candidates) {
            int left = player.tokens.length - player.computed;
            player.scheduled = left == 0 ? 0 : 1 + random.nextInt(left);
            if (player.scheduled > 0 && player.reserve(player.computed + player.scheduled)) {
                batch.add(player);
            }
        }
        TransferPlan plan = connector.planTransfers(new Step(batch));
        plan.stores().forEach(store -> begin(store, true));
        for (long job : plan.awaited()) {
            end(job);
        }
        plan.loads().forEach(load -> begin(load, false));
        plan.loads().stream().filter(BlockTransfer::beforeStep).forEach(load -> end(load.job()));
        check(connector.snapshot().openJobs() == open.size() + finished.size(), "open jobs");
        for (Player player : batch) {
            compute(player);
        }
        report();
    }

    private void compute(Player player) {
        int end = player.computed + player.scheduled;
        for (int block = player.computed / BLOCK_SIZE; block * BLOCK_SIZE < end; block++) {
            boolean full = (block + 1) * BLOCK_SIZE <= end;
            onDevice[player.blocks.get(block)] = full ? player.blockHash(block) : null;
            findable[player.blocks.get(block)] = onDevice[player.blocks.get(block)];
        }
        player.computed = end;
    }

    private void begin(BlockTransfer transfer, boolean store) {
        for (BlockTransfer other : open.values()) {
            for (int page : transfer.pages()) {
                boolean written = store || isStore.getOrDefault(other.job(), false);
                check(!written || Arrays.stream(other.pages()).noneMatch(p -> p == page), "page " + page + " twice");
            }
        }
        for (int page : transfer.pages()) {
            check(page >= 0 && page < pageCount, "page " + page + " of " + pageCount);
            if (store) {
                onHost[page] = null;
                storedIn[page] = resets;
            }
            for (Player player : players) {
                boolean waits = !store && player.job == transfer.job() && player.admittedIn == resets;
                check(!waits || storedIn[page] == resets, "page " + page + " is promised, but of before a reset");
            }
        }
        open.put(transfer.job(), transfer);
        isStore.put(transfer.job(), store);
    }

    private void endSomeCopy() {
        if (!open.isEmpty()) {
            List<Long> jobs = List.copyOf(open.keySet());
            end(jobs.get(random.nextInt(jobs.size())));
        }
    }

    /** The copy reads and writes only now, as late as it can; ended ones are reported later. */
    private void end(long job) {
        BlockTransfer transfer = open.remove(job);
        if (transfer == null) {
            return; // had ended, though nobody has been told
        }
        boolean store = isStore.getOrDefault(job, false);
        boolean unlucky = random.nextInt(4) == 0;
        List<Integer> failed = new ArrayList<>();
        for (int i = 0; i < transfer.blocks().length; i++) {
            int block = transfer.blocks()[i];
            int page = transfer.pages()[i];
            BlockHash key = transfer.keys()[i];
            if (unlucky && random.nextBoolean()) {
                failed.add(i);
            } else if (store) {
                check(key.equals(onDevice[block]), "a store reads block " + block + ", which holds something else");
                onHost[page] = key;
            } else {
                check(key.equals(onHost[page]), "a load reads page " + page + ", which holds something else");
                blocksLoaded++;
            }
            if (!store) {
                onDevice[block] = failed.contains(i) ? null : key;
            }
        }
        int[] positions = failed.stream().mapToInt(Integer::intValue).toArray();
        finished.add(new FinishedTransfer(job, positions, 1));
    }

    private void strayReport() {
        long late = connector.snapshot().lateCompletions();
        LoadReport report = connector.onTransfers(List.of(new FinishedTransfer(1_000_000_000, new int[0], 1)));
        check(report.invalidBlocks().length + report.received().length == 0, "acts on a job that nobody knows");
        check(connector.snapshot().lateCompletions() == late + 1, "does not count it");
        act(report);
    }

    private void report() {
        LoadReport report = connector.onTransfers(List.copyOf(finished));
        finished.clear();
        act(report);
    }

    private void act(LoadReport report) {
        for (int block : report.invalidBlocks()) {
            for (Player player : players) {
                int index = player.blocks.indexOf(block);
                if (index >= 0) {
                    player.computed = Math.min(player.computed, index * BLOCK_SIZE);
                }
            }
        }
        for (long job : report.received()) {
            List<Integer> blocks = kept.remove(job);
            if (blocks != null) {
                release(blocks);
            }
            loading(job, this::received);
        }
        for (long job : report.abandoned()) {
            loading(job, Player::keepForJob);
        }
    }

    private void loading(long job, Move move) {
        for (Player player : players) {
            if (player.stage == Stage.LOADING && player.job == job) {
                move.make(player);
                return;
            }
        }
    }

    private void received(Player player) {
        player.computed = Math.min(player.computed, player.tokens.length - 1);
        player.stage = Stage.LOADED;
        if (player.computed == 0) {
            player.giveBack();
        }
    }

    void audit() {
        connector.verifyBooks();
        OffloadSnapshot snapshot = connector.snapshot();
        long chunkBytes = 8L * settings.blocksPerChunk();
        check(snapshot.tier("host").capacity() == pageCount / settings.blocksPerChunk() * chunkBytes, "capacity");
        check(snapshot.tier("host").used() <= snapshot.tier("host").capacity(), "more used than there is");
        check(snapshot.tier("host").pinned() <= snapshot.tier("host").used(), "more pinned than used");
        check(snapshot.tier("host").used() % chunkBytes == 0, "a part of a chunk");
        for (Player player : players) {
            for (int i = 0; player.stage != Stage.LOADING && i < player.computed / BLOCK_SIZE; i++) {
                boolean right = player.blockHash(i).equals(onDevice[player.blocks.get(i)]);
                check(right, "request " + player.number + " believes in block " + i);
            }
        }
    }

    /** All requests end, all copies end: then nothing is pinned, and after a reset nothing is there. */
    void end() {
        while (!players.isEmpty()) {
            finish(players.getFirst());
        }
        while (connector.hasPendingWork()) {
            step(List.of());
            endSomeCopy();
            audit();
        }
        check(free.size() == deviceBlocks - 1, "blocks are lost");
        check(connector.snapshot().tier("host").pinned() == 0, "pinned at rest");
        connector.reset();
        check(connector.snapshot().tier("host").used() == 0, "something is left after a reset");
        audit();
    }

    private static void check(boolean condition, String problem) {
        if (!condition) {
            throw new IllegalStateException(problem);
        }
    }
}
