package dev.sluice.kv;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Allocation, sharing and eviction, block by block, with the numbers of vLLM's own tests. */
class KvCacheScenariosTest {

    private static final int SIZE = 16;

    private final BlockHasher hasher = new BlockHasher(SIZE, new byte[32]);

    private KvCache cache(int blockCount) {
        return new KvCache(new KvLayout(blockCount, SIZE), true);
    }

    private static int[] tokens(int first, int count) {
        return IntStream.range(first, first + count).toArray();
    }

    private static int[] join(int[] a, int[] b) {
        return IntStream.concat(Arrays.stream(a), Arrays.stream(b)).toArray();
    }

    private BlockTable table(int[] tokens, String salt) {
        BlockTable table = new BlockTable(salt);
        table.extendHashes(hasher, tokens, tokens.length);
        return table;
    }

    /** Looks up and allocates a whole prompt; returns the tokens found. */
    private int admit(KvCache cache, BlockTable table, int tokens) {
        PrefixHit hit = cache.lookup(table, tokens);
        assertThat(cache.allocate(table, hit, tokens, tokens, Headroom.NONE)).isTrue();
        return hit.tokens();
    }

    private static int[] blocks(BlockTable table) {
        return Arrays.copyOf(table.blocks(), table.size());
    }

    @Test
    void prefixesAreSharedAndFreedTailFirst() {
        KvCache cache = cache(11);
        int[] common = tokens(0, 48);
        BlockTable r0 = table(join(common, tokens(100, 7)), null);
        BlockTable r1 = table(join(common, tokens(200, 5)), null);
        assertThat(admit(cache, r0, 55)).isZero();
        assertThat(blocks(r0)).containsExactly(1, 2, 3, 4);
        assertThat(admit(cache, r1, 53)).isEqualTo(48);
        assertThat(blocks(r1)).containsExactly(1, 2, 3, 5);
        assertThat(cache.pool().references(2)).isEqualTo(2);
        assertThat(cache.pool().free()).isEqualTo(5);
        cache.release(r0);
        cache.release(r1);
        assertThat(cache.pool().freeList()).containsExactly(6, 7, 8, 9, 10, 4, 5, 3, 2, 1);

        BlockTable r2 = table(join(common, tokens(300, 6)), null);
        assertThat(admit(cache, r2, 54)).isEqualTo(48);
        assertThat(blocks(r2)).containsExactly(1, 2, 3, 6);
        assertThat(cache.pool().free()).isEqualTo(6);
        cache.release(r2);
        BlockTable r3 = table(tokens(1000, 160), null);
        admit(cache, r3, 160);
        assertThat(blocks(r3)).containsExactly(7, 8, 9, 10, 4, 5, 6, 3, 2, 1);
    }

    @Test
    void earlierFreedRequestsAreEvictedFirst() {
        KvCache cache = cache(11);
        int[] first = tokens(0, 87);
        BlockTable r0 = table(first, null);
        BlockTable r1 = table(tokens(500, 48), null);
        admit(cache, r0, 87);
        admit(cache, r1, 48);
        assertThat(cache.pool().free()).isEqualTo(1);
        cache.release(r0);
        cache.release(r1);
        assertThat(cache.pool().freeList()).containsExactly(10, 6, 5, 4, 3, 2, 1, 9, 8, 7);
        BlockTable r2 = table(Arrays.copyOf(first, 35), null);
        assertThat(admit(cache, r2, 35)).isEqualTo(32);
        assertThat(blocks(r2)).containsExactly(1, 2, 10);
        assertThat(cache.pool().free()).isEqualTo(7);
    }

    @Test
    void decodingTakesABlockOnlyWhenOneIsFull() {
        KvCache cache = cache(11);
        int[] all = tokens(0, 78);
        BlockTable table = new BlockTable(null);
        table.extendHashes(hasher, all, 55);
        admit(cache, table, 55);
        assertThat(table.size()).isEqualTo(4);
        assertThat(cache.allocate(table, PrefixHit.NONE, 59, 59, Headroom.NONE)).isTrue();
        assertThat(table.size()).isEqualTo(4);
        table.extendHashes(hasher, all, 78);
        assertThat(cache.allocate(table, PrefixHit.NONE, 78, 78, Headroom.NONE)).isTrue();
        assertThat(table.size()).isEqualTo(5);
        assertThat(cache.pool().hash(table.block(3))).isNotNull();
        assertThat(cache.pool().hash(table.block(4))).isNull();
    }

    @Test
    void onlyEqualSaltsShare() {
        KvCache cache = cache(32);
        int[] prompt = tokens(0, 55);
        admit(cache, table(prompt, "tenant a"), 55);
        assertThat(cache.lookup(table(prompt, "tenant a"), 55).tokens()).isEqualTo(48);
        assertThat(cache.lookup(table(prompt, "tenant b"), 55).tokens()).isZero();
        assertThat(cache.lookup(table(prompt, null), 55).tokens()).isZero();
    }

    @Test
    void aFullyCachedPromptLeavesATokenToCompute() {
        KvCache cache = cache(32);
        int[] prompt = tokens(0, 48);
        admit(cache, table(prompt, null), 48);
        assertThat(cache.lookup(table(prompt, null), 48).tokens()).isEqualTo(32);
    }

    @Test
    void contentsCanBeFoundUntilTheirBlocksAreTakenOrAllIsForgotten() {
        int blocks = 4;
        KvCache cache = cache(blocks + 1);
        int[] prompt = tokens(0, blocks * SIZE);
        BlockTable first = table(prompt, null);
        admit(cache, first, prompt.length);
        assertThat(cache.pool().registered()).isEqualTo(blocks);
        cache.release(first);
        assertThat(cache.pool().freeRegistered()).isEqualTo(blocks);
        BlockTable second = table(prompt, null);
        cache.allocate(second, PrefixHit.NONE, prompt.length, prompt.length, Headroom.NONE);
        for (int i = 0; i < blocks; i++) {
            assertThat(cache.pool().find(second.hash(i))).isEqualTo(second.block(i));
        }
        assertThat(cache.pool().registered()).isEqualTo(blocks);
        assertThat(cache.pool().clear(new int[cache.layout().blockCount()])).isFalse();
        assertThat(cache.pool().registered()).isEqualTo(blocks);
        cache.release(second);
        assertThat(cache.pool().clear(new int[cache.layout().blockCount()])).isTrue();
        assertThat(cache.pool().registered()).isZero();
        assertThat(cache.lookup(second, prompt.length)).isEqualTo(PrefixHit.NONE);
    }

    @Test
    void aRefusedAllocationChangesNothing() {
        KvCache cache = cache(6);
        BlockTable holder = table(tokens(0, 40), null);
        admit(cache, holder, 40);
        cache.release(holder);
        BlockTable running = table(tokens(100, 40), null);
        admit(cache, running, 40);
        int[] before = cache.pool().freeList();
        BlockTable large = table(tokens(0, 60), null);
        PrefixHit hit = cache.lookup(large, 60);
        assertThat(hit.tokens()).isEqualTo(32);
        assertThat(cache.allocate(large, hit, 60, 60, Headroom.NONE)).isFalse();
        assertThat(cache.pool().freeList()).isEqualTo(before);
        assertThat(large.size()).isZero();
        assertThat(cache.allocate(large, hit, 33, 60, new Headroom(60, 0, 0))).isFalse();
        assertThat(cache.pool().freeList()).isEqualTo(before);
    }

    @Test
    void releasingTwiceIsFoundAtOnce() {
        BlockPool pool = new BlockPool(3);
        int block = pool.allocate();
        pool.release(block);
        assertThatThrownBy(() -> pool.release(block)).hasMessageContaining("not held");
    }

    /** Every sequence of up to eight operations on three blocks, with two holders: the pool's books always balance. */
    @Test
    void everyShortHistoryOfATinyPoolBalances() {
        int operations = 5;
        int histories = (int) Math.pow(operations, 8);
        for (int history = 0; history < histories; history++) {
            replay(history, operations);
        }
    }

    private void replay(int history, int operations) {
        BlockPool pool = new BlockPool(4);
        int[] held = new int[4];
        List<Integer> stack = new ArrayList<>();
        BlockHash hash = new BlockHash(1, 2, 3, 4);
        for (int step = 0, rest = history; step < 8; step++, rest /= operations) {
            switch (rest % operations) {
                case 0 -> {
                    if (pool.free() > 0) {
                        int block = pool.allocate();
                        held[block]++;
                        stack.add(block);
                    }
                }
                case 1 -> {
                    if (!stack.isEmpty()) {
                        int block = stack.removeLast();
                        held[block]--;
                        pool.release(block);
                    }
                }
                case 2 -> {
                    if (!stack.isEmpty() && pool.hash(stack.getLast()) == null) {
                        pool.register(stack.getLast(), hash);
                    }
                }
                case 3 -> {
                    int block = pool.find(hash);
                    if (block != KvLayout.NULL_BLOCK) {
                        pool.touch(block);
                        held[block]++;
                        stack.add(block);
                    }
                }
                default -> {
                    int block = pool.find(hash);
                    if (block != KvLayout.NULL_BLOCK) {
                        pool.unregister(block);
                    }
                }
            }
            pool.verify(held);
        }
    }

    @Test
    void thePrefixIndexAgreesWithAPlainMapAfterAnyHistory() {
        Random random = new Random(11);
        PrefixIndex index = new PrefixIndex(64);
        java.util.Map<BlockHash, java.util.LinkedHashSet<Integer>> model = new java.util.HashMap<>();
        for (int i = 0; i < 20_000; i++) {
            int block = 1 + random.nextInt(63);
            BlockHash known = index.hash(block);
            if (known == null) {
                // Few distinct values of one word, so that probes collide and blocks share contents.
                BlockHash hash = new BlockHash(random.nextInt(8), random.nextInt(3), 0, 0);
                index.put(block, hash);
                model.computeIfAbsent(hash, h -> new java.util.LinkedHashSet<>())
                        .add(block);
            } else {
                index.remove(block);
                model.get(known).remove(block);
            }
            index.verify();
            model.forEach(
                    (hash, blocks) -> assertThat(index.find(hash)).isEqualTo(blocks.isEmpty() ? 0 : blocks.getFirst()));
        }
    }
}
