package dev.sluice.kv;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The gates of an allocation, each at its exact bound, and who says what a block holds. */
class KvCacheGatesTest {

    private static final int SIZE = 4;

    private final BlockHasher hasher = new BlockHasher(SIZE, new byte[32]);

    private KvCache cache(int usable, boolean prefixCaching) {
        return new KvCache(new KvLayout(usable + 1, SIZE), prefixCaching);
    }

    private BlockTable table(int first, int count) {
        BlockTable table = new BlockTable(null);
        table.extendHashes(hasher, IntStream.range(first, first + count).toArray(), count);
        return table;
    }

    private static void admit(KvCache cache, BlockTable table, int tokens) {
        PrefixHit hit = cache.lookup(table, tokens);
        assertThat(cache.allocate(table, hit, tokens, tokens, Headroom.NONE)).isTrue();
    }

    @ParameterizedTest
    @CsvSource({
        // covered, whole sequence, watermark, reserved: fits 10 free blocks
        "40, 0, 0, 0, true",
        "41, 0, 0, 0, false",
        "36, 0, 1, 0, true",
        "37, 0, 1, 0, false",
        "36, 0, 0, 1, true",
        "37, 0, 0, 1, false",
        "32, 0, 1, 1, true",
        "33, 0, 1, 1, false",
        "4, 40, 0, 0, true",
        "4, 41, 0, 0, false",
        "4, 36, 1, 0, true",
        "4, 37, 1, 0, false",
        "4, 40, 0, 9, true", // what others still need counts against the blocks taken now alone
    })
    void whatMustStayFreeStaysFree(int covered, int whole, int watermark, int reserved, boolean fits) {
        KvCache cache = cache(10, true);
        assertThat(cache.allocate(
                        table(0, 48), PrefixHit.NONE, covered, covered, new Headroom(whole, watermark, reserved)))
                .isEqualTo(fits);
    }

    @Test
    void whatASequenceOwnsOrSharesWithOneThatRunsNeedsNoFreeBlock() {
        KvCache cache = cache(6, true);
        BlockTable first = table(0, 24);
        admit(cache, first, 16);
        assertThat(cache.allocate(first, PrefixHit.NONE, 24, 24, new Headroom(24, 0, 0)))
                .isTrue();
        assertThat(cache.pool().free()).isZero();

        KvCache other = cache(6, true);
        admit(other, table(0, 16), 16);
        BlockTable second = table(0, 24);
        PrefixHit hit = other.lookup(second, 24);
        assertThat(hit.tokens()).isEqualTo(16);
        assertThat(other.allocate(second, hit, 24, 24, new Headroom(24, 0, 0)))
                .as("four of its blocks are held by another one, two are free")
                .isTrue();
        assertThat(second.registered()).isEqualTo(6);
    }

    @Test
    void aLongPrefixIsFoundWhole() {
        KvCache cache = cache(200, true);
        admit(cache, table(0, 600), 600);
        BlockTable second = table(0, 601);
        PrefixHit hit = cache.lookup(second, 601);
        assertThat(hit.tokens()).isEqualTo(600);
        assertThat(cache.allocate(second, hit, 601, 601, Headroom.NONE)).isTrue();
        assertThat(second.size()).isEqualTo(151);
        assertThat(second.registered()).isEqualTo(150);
    }

    @Test
    void freeBlocksThatAreFoundAreNoFreeBlocksAnyMore() {
        KvCache cache = cache(5, true);
        BlockTable first = table(0, 16);
        admit(cache, first, 16);
        cache.release(first);
        admit(cache, table(100, 4), 4);
        BlockTable second = table(0, 20);
        PrefixHit hit = cache.lookup(second, 17);
        assertThat(hit.tokens()).isEqualTo(16);
        assertThat(cache.allocate(second, hit, 17, 17, Headroom.NONE)).isFalse();
    }

    @Test
    void foundBlocksAreTakenByWhoHasNone() {
        KvCache cache = cache(10, true);
        BlockTable first = table(0, 16);
        admit(cache, first, 16);
        PrefixHit hit = cache.lookup(first, 16);
        assertThatThrownBy(() -> cache.allocate(first, hit, 20, 16, Headroom.NONE))
                .hasMessageContaining("holds blocks");
    }

    @Test
    void withoutPrefixCachingNothingIsFoundOrRegistered() {
        KvCache cache = cache(10, false);
        BlockTable first = table(0, 16);
        admit(cache, first, 16);
        cache.registerComputed(first, 16);
        assertThat(cache.pool().registered()).isZero();
        assertThat(cache.lookup(table(0, 16), 16)).isEqualTo(PrefixHit.NONE);
    }

    @Test
    void whatWasComputedBeforeItsIdsWereKnownIsRegisteredLater() {
        KvCache cache = cache(10, true);
        BlockTable first = table(0, 8);
        assertThat(cache.allocate(first, PrefixHit.NONE, 8, 4, Headroom.NONE)).isTrue();
        assertThat(first.registered()).as("known").isEqualTo(1);
        cache.registerComputed(first, 7);
        assertThat(first.registered()).as("of a block that is not full").isEqualTo(1);
        cache.registerComputed(first, 8);
        cache.registerComputed(first, 8);
        assertThat(first.registered()).isEqualTo(2);
        assertThat(cache.lookup(table(0, 9), 9).tokens()).isEqualTo(8);
    }

    @Test
    void whatIsTakenBackIsFoundByNobody() {
        KvCache cache = cache(10, true);
        BlockTable first = table(0, 16);
        admit(cache, first, 16);
        cache.unregisterFrom(first, 2);
        assertThat(first.registered()).isEqualTo(2);
        assertThat(cache.pool().registered()).isEqualTo(2);
        assertThat(cache.lookup(table(0, 16), 16).tokens()).isEqualTo(8);
        cache.unregisterFrom(first, 3);
        assertThat(first.registered()).isEqualTo(2);
    }

    @Test
    void whoDisownsItsBlocksLeavesThemToTheirOtherHolders() {
        KvCache cache = cache(10, true);
        BlockTable first = table(0, 16);
        admit(cache, first, 16);
        BlockTable second = table(0, 16);
        admit(cache, second, 16);
        cache.disown(second, 1);
        assertThat(second.registered()).isEqualTo(1);
        cache.disown(second, 2);
        assertThat(second.registered()).isEqualTo(1);
        cache.unregisterFrom(second, 1); // no longer says anything of those
        assertThat(cache.lookup(table(0, 17), 17).tokens()).isEqualTo(16);
        cache.register(second, 16); // three of its blocks are registered by the other one still
        assertThat(second.registered()).isEqualTo(4);
        assertThat(cache.pool().registered()).isEqualTo(5);
        cache.pool().verify(references(cache, first, second));
    }

    private static int[] references(KvCache cache, BlockTable... tables) {
        int[] held = new int[cache.layout().blockCount()];
        for (BlockTable table : tables) {
            for (int i = 0; i < table.size(); i++) {
                held[table.block(i)]++;
            }
        }
        return held;
    }

    @Test
    void whoGivesItsBlocksBackHasNone() {
        KvCache cache = cache(10, true);
        BlockTable first = table(0, 16);
        admit(cache, first, 16);
        cache.release(first);
        assertThat(first.size()).isZero();
        assertThat(first.registered()).isZero();
        cache.release(first);
        assertThat(cache.pool().free()).isEqualTo(10);
    }

    @Test
    void blocksCanBeTakenAwayWithTheirReferences() {
        KvCache cache = cache(10, true);
        BlockTable first = table(0, 16);
        admit(cache, first, 14);
        int[] taken = first.surrender();
        assertThat(taken).containsExactly(1, 2, 3, 4);
        assertThat(first.size()).isZero();
        assertThat(first.registered()).isZero();
        assertThat(Arrays.stream(taken).map(cache.pool()::references)).containsOnly(1);
    }

    @Test
    void aBlockThatTwoComputeAnewIsFoundAsLongAsOneOfThemDoes() {
        KvCache cache = cache(10, true);
        BlockTable first = table(0, 16);
        admit(cache, first, 14);
        BlockTable second = table(0, 16);
        admit(cache, second, 14);
        assertThat(second.block(0)).isEqualTo(first.block(0));
        cache.invalidateFrom(first, 0);
        cache.invalidateFrom(second, 0);
        assertThat(cache.lookup(table(0, 16), 14).tokens()).isZero();
        cache.register(first, 14);
        cache.register(second, 14);
        cache.unregisterFrom(second, 1); // it leaves the step again
        assertThat(cache.lookup(table(0, 16), 14).tokens()).isEqualTo(12);
        cache.register(second, 14);
        cache.unregisterFrom(first, 1); // or the one that was faster
        assertThat(cache.lookup(table(0, 16), 14).tokens()).isEqualTo(12);
        cache.unregisterFrom(second, 1);
        assertThat(cache.lookup(table(0, 16), 14).tokens()).isEqualTo(4);
    }

    @Test
    void aBlockThatItsOnlyWriterDidNotWriteIsNotFoundWhoeverHasFoundItMeanwhile() {
        KvCache cache = cache(10, true);
        BlockTable first = table(0, 16);
        admit(cache, first, 14);
        admit(cache, table(0, 16), 14);
        cache.unregisterFrom(first, 0);
        assertThat(cache.lookup(table(0, 16), 14).tokens()).isZero();
    }
}
