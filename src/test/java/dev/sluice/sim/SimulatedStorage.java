package dev.sluice.sim;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.HostPages;
import dev.sluice.offload.StorageTier;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.BooleanSupplier;

/**
 * A storage tier in memory whose operations take some polls, and fail now and then. A remote one has to find out what it
 * holds, and sometimes never does.
 */
final class SimulatedStorage implements StorageTier {

    private static final class Operation {
        private final long job;
        private final BlockHash key;
        private final BlockHash[] pageKeys;
        private final int[] pages;
        private final boolean read;
        private int pollsLeft;
        private boolean forgotten; // begun before a reset

        Operation(long job, BlockHash key, BlockHash[] pageKeys, int[] pages, boolean read, int pollsLeft) {
            this.job = job;
            this.key = key;
            this.pageKeys = pageKeys;
            this.pages = pages;
            this.read = read;
            this.pollsLeft = pollsLeft;
        }
    }

    private final HostPages host;
    private final int capacity;
    private final int delay;
    private final double failureRate;
    private final BooleanSupplier faultsOn;
    private final Random random;
    private final boolean remote;
    private final Map<BlockHash, Integer> asked = new HashMap<>(); // polls until the answer is known
    private final LinkedHashMap<BlockHash, byte[][]> kept = new LinkedHashMap<>();
    private final List<Operation> open = new ArrayList<>();

    SimulatedStorage(
            HostPages host,
            int capacity,
            int delay,
            double failureRate,
            BooleanSupplier faultsOn,
            Random random,
            boolean remote) {
        this.remote = remote;
        this.host = host;
        this.capacity = capacity;
        this.delay = delay;
        this.failureRate = failureRate;
        this.faultsOn = faultsOn;
        this.random = random;
    }

    private int polls() {
        boolean hangs = faultsOn.getAsBoolean() && random.nextDouble() < failureRate;
        return hangs ? 200 : random.nextInt(delay + 1);
    }

    @Override
    public Lookup lookup(BlockHash key) {
        if (remote && asked.computeIfAbsent(key, k -> 1 + polls()) > 0) {
            return Lookup.ASK_AGAIN;
        }
        return kept.containsKey(key) ? Lookup.HIT : Lookup.MISS;
    }

    @Override
    public boolean write(long job, BlockHash key, BlockHash[] pageKeys, int[] pages) {
        if (open.size() >= 8 || kept.containsKey(key)) {
            return false;
        }
        open.add(new Operation(job, key, pageKeys, pages, false, polls()));
        return true;
    }

    @Override
    public boolean read(long job, BlockHash key, BlockHash[] pageKeys, int[] pages) {
        if (open.size() >= 8 || !kept.containsKey(key)) {
            return false;
        }
        open.add(new Operation(job, key, pageKeys, pages, true, polls()));
        return true;
    }

    @Override
    public List<Ended> poll() {
        asked.replaceAll((key, polls) -> polls - 1);
        asked.values().removeIf(polls -> polls < -5); // what was known grows old
        List<Ended> ended = new ArrayList<>();
        for (Iterator<Operation> i = open.iterator(); i.hasNext(); ) {
            Operation operation = i.next();
            if (--operation.pollsLeft < 0) {
                i.remove();
                boolean fails = faultsOn.getAsBoolean() && random.nextDouble() < failureRate;
                boolean succeeded = !fails
                        && !operation.forgotten
                        && (operation.read ? finishRead(operation) : finishWrite(operation));
                ended.add(new Ended(operation.job, succeeded, host.pageBytes(), 1));
            }
        }
        return ended;
    }

    private boolean finishRead(Operation operation) {
        byte[][] contents = kept.get(operation.key);
        if (contents == null) {
            return false;
        }
        for (int i = 0; i < contents.length; i++) {
            host.page(operation.pages[i]).asByteBuffer().put(contents[i]);
            host.writeChecksum(operation.pages[i], operation.pageKeys[i]);
        }
        return true;
    }

    private boolean finishWrite(Operation operation) {
        byte[][] contents = new byte[operation.pages.length][];
        for (int i = 0; i < contents.length; i++) {
            if (!host.verify(operation.pages[i], operation.pageKeys[i])) {
                return false; // as the real one, it keeps nothing that is damaged already
            }
            contents[i] = host.page(operation.pages[i]).toArray(ValueLayout.JAVA_BYTE);
        }
        kept.putLast(operation.key, contents);
        if (kept.size() > capacity) {
            Map.Entry<BlockHash, byte[][]> oldest = kept.pollFirstEntry();
            if (oldest == null) {
                throw new IllegalStateException("a full map has a first entry");
            }
        }
        return true;
    }

    @Override
    public long bytesUsed() {
        return kept.size();
    }

    @Override
    public long bytesCapacity() {
        return capacity;
    }

    @Override
    public void reset() {
        kept.clear();
        open.forEach(operation -> operation.forgotten = true);
    }

    @Override
    public void close() {}
}
