package dev.sluice.kv;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The counts of the pool, and its audit. */
class BlockPoolTest {

    private static final BlockHash HASH = new BlockHash(1, 2, 3, 4);

    private final List<BlockHash> removed = new ArrayList<>();
    private final BlockPool pool = new BlockPool(4, new KvCacheListener() {
        @Override
        public void onStored(BlockHash[] chain, int from, int to) {}

        @Override
        public void onRemoved(BlockHash hash) {
            removed.add(hash);
        }

        @Override
        public void onCleared() {}
    });

    @Test
    void eachCountFollowsABlockOnItsWay() {
        assertThat(pool.usable()).isEqualTo(3);
        int block = pool.allocate();
        pool.register(block, HASH);
        assertThat(counts()).containsExactly(2, 0, 1);
        pool.release(block);
        assertThat(counts()).containsExactly(3, 1, 1);
        pool.touch(block);
        assertThat(counts()).containsExactly(2, 0, 1);
        pool.release(block);
        pool.unregister(block);
        assertThat(counts()).containsExactly(3, 0, 0);
        assertThat(removed).containsExactly(HASH);
        pool.unregister(block);
        assertThat(removed).hasSize(1);
    }

    private int[] counts() {
        return new int[] {pool.free(), pool.freeRegistered(), pool.registered()};
    }

    @Test
    void whatIsForgottenIsGoneWhoeverHeldIt() {
        int first = pool.allocate();
        int second = pool.allocate();
        pool.register(first, HASH);
        pool.register(second, HASH);
        int[] indifferent = new int[4];
        indifferent[first] = 1;
        assertThat(pool.clear(indifferent)).as("the second one is held").isFalse();
        assertThat(pool.registered()).isEqualTo(2);
        pool.release(second);
        assertThat(pool.clear(indifferent)).isTrue();
        assertThat(counts()).containsExactly(2, 0, 0);
        assertThat(pool.find(HASH)).isEqualTo(KvLayout.NULL_BLOCK);
        assertThat(pool.hash(first)).isNull();
        pool.register(first, HASH);
        assertThat(pool.find(HASH)).isEqualTo(first);
        pool.verify(indifferent);
        pool.unregister(first);
        assertThat(pool.find(HASH)).as("what was chained behind it before").isEqualTo(KvLayout.NULL_BLOCK);
    }

    @Test
    void onlyHeldBlocksAreRegisteredAndEachOnce() {
        assertThatThrownBy(() -> pool.register(1, HASH)).hasMessageContaining("not held");
        int block = pool.allocate();
        pool.register(block, HASH);
        assertThatThrownBy(() -> pool.register(block, HASH)).hasMessageContaining("already registered");
    }

    @Test
    void anEmptyPoolSaysSo() {
        for (int i = 0; i < 3; i++) {
            pool.allocate();
        }
        assertThatThrownBy(pool::allocate).hasMessageContaining("no free block");
        pool.verify(new int[] {0, 1, 1, 1});
    }

    @ParameterizedTest
    @CsvSource({"0, 0, 0, 0, references", "0, 2, 0, 0, references", "0, 1, 1, 0, references", "1, 1, 0, 0, null block"})
    void theAuditFindsHoldersThatTheBooksDoNotKnow(int none, int first, int second, int third, String problem) {
        assertThat(pool.allocate()).isEqualTo(1);
        assertThatThrownBy(() -> pool.verify(new int[] {none, first, second, third}))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining(problem);
        pool.verify(new int[] {0, 1, 0, 0});
    }

    @Test
    void aLayoutHasABlockToHoldAndABlockHasAToken() {
        assertThat(new KvLayout(2, 1).usableBlocks()).isEqualTo(1);
        assertThatThrownBy(() -> new KvLayout(1, 1)).hasMessageContaining("at least 2");
        assertThatThrownBy(() -> new KvLayout(2, 0)).hasMessageContaining("at least 1");
    }
}
