package dev.sluice.offload.host;

import static dev.sluice.offload.host.Keys.key;
import static dev.sluice.offload.host.Keys.keys;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.kv.BlockHash;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Adaptive replacement: by hand, and against the rules written down as plainly as possible. */
class ArcPolicyTest {

    private final ArcPolicy policy = new ArcPolicy(4);

    private void insert(int... numbers) {
        keys(numbers).forEach(policy::insert);
    }

    private void evict(int... numbers) {
        assertThat(policy.victims(numbers.length, any -> true)).isEqualTo(keys(numbers));
        policy.evict(keys(numbers));
    }

    @Test
    void chunksSeenAgainOutliveThoseSeenOnce() {
        insert(1, 2, 3, 4);
        policy.touch(key(1), true);
        policy.touch(key(2), false); // asked for while it is being written: no second use
        assertThat(policy.victims(4, any -> true)).isEqualTo(keys(3, 4, 2, 1));
    }

    @Test
    void theTargetFollowsTheGhostsThatAreAskedFor() {
        insert(1, 2, 3, 4);
        policy.touch(key(1), true);
        policy.touch(key(2), true);
        evict(3, 4);
        insert(5, 6);
        policy.touch(key(3), true);
        assertThat(policy.target()).isEqualTo(1);
        policy.touch(key(4), true);
        policy.touch(key(4), true);
        assertThat(policy.target()).isEqualTo(3);
        assertThat(policy.victims(1, any -> true))
                .as("two of a target of three")
                .isEqualTo(keys(1));
        evict(1, 2); // ghosts of the other list
        insert(7, 8);
        policy.touch(key(1), true);
        assertThat(policy.target()).isEqualTo(2);
        for (int i = 0; i < 5; i++) {
            policy.touch(key(2), true);
        }
        assertThat(policy.target()).isZero();
        for (int i = 0; i < 9; i++) {
            policy.touch(key(3), true);
        }
        assertThat(policy.target()).as("never more than there are places").isEqualTo(4);
    }

    @Test
    void theRarerGhostMovesTheTargetFurther() {
        ArcPolicy large = new ArcPolicy(10);
        keys(1, 2, 3, 4, 5).forEach(large::insert);
        keys(1, 2, 3, 4).forEach(key -> large.touch(key, true));
        large.evict(keys(1, 2, 3, 4, 5)); // four ghosts seen again, one seen once
        large.touch(key(5), true);
        assertThat(large.target()).isEqualTo(4);
        large.touch(key(1), true);
        assertThat(large.target()).isEqualTo(3);
    }

    @Test
    void ghostsAreForgottenTheOldestFirst() {
        for (int i = 0; i < 10; i++) {
            insert(i);
            evict(i);
        }
        assertThat(policy.ghosts()).isEqualTo(4);
        assertThat(policy.remembersOnce(key(5))).isFalse();
        assertThat(policy.remembersOnce(key(6))).isTrue();
        insert(6);
        assertThat(policy.remembersOnce(key(6))).isFalse();
        policy.verify(1);
        policy.remove(key(6));
        assertThat(policy.remembersOnce(key(6))).as("dropped, not evicted").isFalse();
    }

    @Test
    void whatIsInUseIsNeverChosenFromWhicheverList() {
        insert(1, 2, 3, 4);
        policy.touch(key(3), true);
        policy.touch(key(4), true);
        Set<BlockHash> pinned = Set.copyOf(keys(1, 3));
        assertThat(policy.victims(2, candidate -> !pinned.contains(candidate))).isEqualTo(keys(2, 4));
        assertThat(policy.victims(3, candidate -> !pinned.contains(candidate))).isNull();
    }

    @Test
    void whenTheListThatShouldGiveHasNoneToGiveTheOtherDoes() {
        insert(1, 2);
        policy.evict(keys(1, 2));
        policy.touch(key(1), true);
        policy.touch(key(2), true); // target 2
        insert(3);
        assertThat(policy.target()).isEqualTo(2);
        assertThat(policy.victims(1, any -> true)).isEqualTo(keys(3));
    }

    @Test
    void itDecidesAsThePlainRulesDo() {
        for (int seed = 0; seed < 300; seed++) {
            Random random = new Random(seed * 7919L);
            int capacity = 1 + random.nextInt(8);
            ArcPolicy tested = new ArcPolicy(capacity);
            Plain plain = new Plain(capacity);
            for (int i = 0; i < 300; i++) {
                BlockHash key = key(random.nextInt(capacity * 3));
                if (random.nextInt(3) > 0) {
                    boolean ready = random.nextInt(4) > 0;
                    tested.touch(key, ready);
                    plain.touch(key, ready);
                } else if (plain.present(key)) {
                    if (random.nextInt(4) == 0) {
                        tested.remove(key);
                        plain.remove(key);
                    }
                } else {
                    Set<BlockHash> pinned = new HashSet<>();
                    for (int j = random.nextInt(capacity + 1); j > 0; j--) {
                        pinned.add(key(random.nextInt(capacity * 3)));
                    }
                    int count = Math.max(plain.size() + 1 - capacity, random.nextInt(3));
                    List<BlockHash> victims = plain.victims(count, candidate -> !pinned.contains(candidate));
                    assertThat(tested.victims(count, candidate -> !pinned.contains(candidate)))
                            .as("seed %d, operation %d", seed, i)
                            .isEqualTo(victims);
                    if (victims != null) {
                        tested.evict(victims);
                        plain.evict(victims);
                        tested.insert(key);
                        plain.insert(key);
                    }
                }
                assertThat(tested.target()).isEqualTo(plain.target);
                tested.verify(plain.size());
            }
        }
    }

    /** The rules, with lists whose old end is the front. */
    private static final class Plain {
        private final int capacity;
        private final List<BlockHash> t1 = new ArrayList<>();
        private final List<BlockHash> t2 = new ArrayList<>();
        private final List<BlockHash> b1 = new ArrayList<>();
        private final List<BlockHash> b2 = new ArrayList<>();
        private double target;

        Plain(int capacity) {
            this.capacity = capacity;
        }

        boolean present(BlockHash key) {
            return t1.contains(key) || t2.contains(key);
        }

        int size() {
            return t1.size() + t2.size();
        }

        private static void moveToEnd(List<BlockHash> from, List<BlockHash> to, BlockHash key) {
            from.remove(key);
            to.add(key);
        }

        void touch(BlockHash key, boolean ready) {
            if (t1.contains(key)) {
                moveToEnd(t1, ready ? t2 : t1, key);
            } else if (t2.contains(key)) {
                moveToEnd(t2, t2, key);
            } else if (b1.contains(key)) {
                target = Math.min(target + Math.max(1.0, 1.0 * b2.size() / b1.size()), capacity);
                moveToEnd(b1, b1, key);
            } else if (b2.contains(key)) {
                target = Math.max(target - Math.max(1.0, 1.0 * b1.size() / b2.size()), 0);
                moveToEnd(b2, b2, key);
            }
        }

        void insert(BlockHash key) {
            b1.remove(key);
            b2.remove(key);
            t1.add(key);
        }

        void remove(BlockHash key) {
            t1.remove(key);
            t2.remove(key);
        }

        @Nullable
        List<BlockHash> victims(int count, Predicate<BlockHash> evictable) {
            List<BlockHash> first =
                    new ArrayList<>(t1.stream().filter(evictable).toList());
            List<BlockHash> second =
                    new ArrayList<>(t2.stream().filter(evictable).toList());
            List<BlockHash> victims = new ArrayList<>();
            int left = t1.size();
            while (victims.size() < count) {
                boolean fromFirst = !first.isEmpty() && (left >= (int) target || second.isEmpty());
                List<BlockHash> from = fromFirst ? first : second;
                if (from.isEmpty()) {
                    return null;
                }
                victims.add(from.removeFirst());
                left -= fromFirst ? 1 : 0;
            }
            return victims;
        }

        void evict(List<BlockHash> victims) {
            for (BlockHash key : victims) {
                moveToEnd(t1.contains(key) ? t1 : t2, t1.contains(key) ? b1 : b2, key);
            }
            for (List<BlockHash> ghosts : List.of(b1, b2)) {
                while (ghosts.size() > capacity) {
                    ghosts.removeFirst();
                }
            }
        }
    }
}
