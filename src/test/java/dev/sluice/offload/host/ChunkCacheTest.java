package dev.sluice.offload.host;

import static dev.sluice.offload.host.Keys.key;
import static dev.sluice.offload.host.Keys.keys;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.kv.BlockHash;
import dev.sluice.offload.Tier;
import dev.sluice.offload.TierGuard;
import dev.sluice.offload.host.ChunkCache.State;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The books of the host tier, with the numbers of vLLM's tests of its CPU cache manager. */
class ChunkCacheTest {

    private static final Tier DISK = new Tier("disk", TierGuard.NONE);

    private ChunkCache cache = new ChunkCache(4, new LruPolicy(), 0, 100);

    @AfterEach
    void booksBalance() {
        cache.verify();
    }

    private void store(int... numbers) {
        assertThat(cache.prepareStore(keys(numbers))).isNotNull();
        complete(true, numbers);
    }

    private void complete(boolean success, int... numbers) {
        for (BlockHash key : keys(numbers)) {
            cache.completeStore(key, success);
        }
    }

    private List<Integer> ids(int... numbers) {
        return keys(numbers).stream().map(cache::id).toList();
    }

    private void assertAbsent(int... numbers) {
        for (int number : numbers) {
            assertThat(cache.lookup(key(number))).as("chunk %d", number).isEqualTo(State.ABSENT);
        }
    }

    private void assertReady(int... numbers) {
        for (int number : numbers) {
            assertThat(cache.lookup(key(number))).as("chunk %d", number).isEqualTo(State.READY);
        }
    }

    @Test
    void chunksAreWrittenReadPinnedAndEvicted() {
        assertThat(cache.prepareStore(keys(1, 2))).isEqualTo(keys(1, 2));
        assertThat(ids(1, 2)).containsExactly(0, 1);
        assertThat(cache.lookup(key(1))).isEqualTo(State.BEING_WRITTEN);
        assertThat(cache.lookup(key(3))).isEqualTo(State.ABSENT);
        complete(true, 1, 2);
        assertReady(1, 2);

        assertThat(cache.prepareStore(keys(2, 3, 4, 5))).isEqualTo(keys(3, 4, 5));
        assertThat(ids(3, 4, 5)).containsExactly(2, 3, 0);
        assertAbsent(1);
        assertThat(cache.prepareStore(keys(1, 6)))
                .as("all but one are being written")
                .isNull();
        assertReady(2);
        complete(true, 2, 3, 4, 5);

        assertThat(List.of(cache.beginLoad(key(2)), cache.beginLoad(key(3)))).containsExactly(1, 2);
        assertThat(cache.isBeingLoaded(key(2))).isTrue();
        assertThat(cache.prepareStore(keys(6, 7, 8))).isNull();
        assertReady(2, 3, 4, 5);
        for (BlockHash key : keys(2, 3)) {
            cache.endLoad(key);
            cache.unpin(key);
        }
        assertThat(cache.prepareStore(keys(6, 7, 8))).isEqualTo(keys(6, 7, 8));
        assertThat(ids(6, 7, 8)).containsExactly(3, 2, 1);
        assertAbsent(2, 3, 4);
        complete(true, 6, 7, 8);

        cache.touch(keys(5, 6, 7));
        assertThat(cache.prepareStore(keys(9))).isEqualTo(keys(9));
        assertThat(ids(9)).containsExactly(1);
        assertAbsent(8);
        complete(false, 7, 9);
        assertReady(7);
        assertAbsent(9);
    }

    @Test
    void aChunkMovesTheTargetWhenItsGhostIsAskedFor() {
        ArcPolicy policy = new ArcPolicy(2);
        cache = new ChunkCache(2, policy, 0, 100);
        store(1, 2);
        store(3);
        assertThat(policy.remembersOnce(key(1))).isTrue();
        assertThat(policy.target()).isZero();
        cache.touch(keys(1));
        assertThat(policy.target()).isEqualTo(1);
        for (int i = 0; i < 17; i++) {
            store(10 + i);
            assertThat(policy.ghosts()).isLessThanOrEqualTo(2);
            cache.verify();
        }
    }

    @Test
    void aChunkIsStoredOnceEnoughRequestsHaveAskedForIt() {
        cache = new ChunkCache(10, new LruPolicy(), 2, 3);
        keys(1, 2).forEach(cache::countRequest);
        assertThat(cache.prepareStore(keys(1, 2))).isEmpty();
        cache.countRequest(key(1));
        assertThat(cache.prepareStore(keys(1, 2))).isEqualTo(keys(1));
        keys(3, 4).forEach(cache::countRequest); // the tracker holds three
        cache.countRequest(key(2));
        assertThat(cache.prepareStore(keys(2))).isEmpty();
        assertThat(cache.used()).isEqualTo(1);
    }

    @Test
    void chunksThatAreNotStoredForLackOfRequestsAreCounted() {
        cache = new ChunkCache(10, new LruPolicy(), 2, 3);
        assertThat(cache.prepareStore(keys(1, 2, 3))).isEmpty();
        assertThat(cache.takeSkipped()).isEqualTo(3);
        assertThat(cache.takeSkipped()).isZero();
    }

    @Test
    void aRefusedStoreSkipsAndChangesNothing() {
        cache = new ChunkCache(1, new LruPolicy(), 2, 10);
        keys(1, 1, 2, 2).forEach(cache::countRequest);
        cache.prepareStore(keys(1));
        assertThat(cache.prepareStore(keys(2, 3))).isNull();
        assertThat(cache.takeSkipped()).isZero();
        assertThat(cache.used()).isEqualTo(1);
        assertThat(cache.lookup(key(1))).isEqualTo(State.BEING_WRITTEN);
    }

    @Test
    void neverMoreChunksThanPlacesAndNoPlaceTwice() {
        store(1, 2, 3, 4);
        assertThat(ids(1, 2, 3, 4)).containsExactly(0, 1, 2, 3);
        assertThat(cache.prepareStore(keys(5, 6, 7, 8, 9))).as("five of four").isNull();
        assertReady(1, 2, 3, 4);
        store(5);
        assertThat(cache.used()).isEqualTo(4);
        assertThat(ids(5)).as("the place of the evicted one").containsExactly(0);
    }

    @Test
    void whatIsOfferedIsNeverEvictedForWhatIsOfferedWithIt() {
        store(1, 2, 3, 4);
        assertThat(cache.prepareStore(keys(1, 2, 3, 4, 5))).isNull();
        assertThat(cache.prepareStore(keys(1, 5, 6))).isEqualTo(keys(5, 6));
        assertReady(1, 4);
        assertAbsent(2, 3);
    }

    @Test
    void aChunkThatIsThereOrBeingWrittenIsNotStoredAgain() {
        store(1);
        cache.prepareStore(keys(2));
        assertThat(cache.prepareStore(keys(1, 2, 3))).isEqualTo(keys(3));
        assertThat(cache.prepareStore(keys(1, 2, 3))).isEmpty();
        assertThat(cache.pinned()).isEqualTo(2);
    }

    @Test
    void pinsAreCountedAndNeverBelowZero() {
        store(1);
        assertThatThrownBy(() -> cache.unpin(key(1))).hasMessageContaining("not pinned");
        cache.pin(key(1));
        cache.pin(key(1));
        assertThat(cache.pinned()).isEqualTo(1);
        cache.unpin(key(1));
        assertThat(cache.prepareStore(keys(2, 3, 4, 5))).as("one pin is left").isNull();
        cache.unpin(key(1));
        assertThat(cache.pinned()).isZero();
        assertThatThrownBy(() -> cache.unpin(key(1))).hasMessageContaining("not pinned");
        assertThat(cache.prepareStore(keys(2, 3, 4, 5))).hasSize(4);
        assertThatThrownBy(() -> cache.pin(key(2))).hasMessageContaining("being written");
        assertThatThrownBy(() -> cache.pin(key(9))).hasMessageContaining("not present");
    }

    @Test
    void aDroppedChunkIsGoneForAllAndItsPlaceIsFreeOnceNobodyReadsIt() {
        store(1, 2);
        cache.pin(key(1));
        cache.drop(key(1));
        cache.drop(key(2));
        assertAbsent(1, 2);
        assertThat(cache.used()).isEqualTo(1);
        assertThat(cache.prepareStore(keys(1))).as("its place is not free yet").isEmpty();
        cache.unpin(key(1));
        assertThat(cache.used()).isZero();
        assertThat(cache.prepareStore(keys(1))).isEqualTo(keys(1));
    }

    @Test
    void afterAResetWhatIsBeingWrittenOrReadLeavesWhenItIsOver() {
        store(1, 2);
        cache.prepareStore(keys(3));
        cache.beginLoad(key(1));
        cache.clear();
        assertAbsent(1, 2, 3);
        assertThat(cache.used()).isEqualTo(2);
        cache.endLoad(key(1));
        cache.unpin(key(1));
        complete(true, 3);
        assertAbsent(1, 3);
        assertThat(cache.used()).isZero();
        assertThat(cache.pinned()).isZero();
        store(4, 5, 6, 7);
    }

    @Test
    void aWriteThatTakesTooLongIsHiddenUntilItIsOver() {
        cache.prepareStore(keys(1));
        cache.hideUntilWritten(key(1), true);
        assertAbsent(1);
        cache.hideUntilWritten(key(1), false);
        complete(true, 1);
        assertReady(1);
        cache.hideUntilWritten(key(1), true);
        assertReady(1);
    }

    @Test
    void aChunkFromASlowerTierNeedsNoRequestsAndSparesWhatIsWanted() {
        cache = new ChunkCache(2, new LruPolicy(), 5, 10);
        assertThat(cache.prepareFetch(key(1), List.of(), 77, DISK)).isTrue();
        assertThat(cache.prepareFetch(key(1), List.of(), 78, DISK))
                .as("on its way")
                .isFalse();
        complete(true, 1);
        assertThat(cache.fetchedFrom(key(1), 77)).isEqualTo(DISK);
        assertThat(cache.fetchedFrom(key(1), 78)).isNull();
        assertThat(cache.prepareFetch(key(2), keys(1), 77, DISK)).isTrue();
        complete(true, 2);
        assertThat(cache.prepareFetch(key(3), keys(1, 2), 77, DISK)).isFalse();
        assertThat(cache.prepareFetch(key(3), keys(1), 77, DISK)).isTrue();
        assertAbsent(2);
    }

    @Test
    void theHeadOfAPrefixOutlivesItsTail() {
        store(1, 2, 3, 4);
        cache.touch(keys(1, 2, 3, 4));
        store(5);
        assertAbsent(4);
        assertReady(1, 2, 3);
    }
}
