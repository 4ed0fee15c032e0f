package dev.sluice.offload.host;

import static dev.sluice.offload.host.Keys.key;
import static dev.sluice.offload.host.Keys.keys;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class LruPolicyTest {

    private final LruPolicy policy = new LruPolicy();

    private void insert(int... numbers) {
        keys(numbers).forEach(policy::insert);
    }

    @Test
    void theOneNotUsedForTheLongestGoesFirst() {
        insert(1, 2, 3, 4);
        policy.touch(key(1), true);
        policy.touch(key(3), false);
        assertThat(policy.victims(3, any -> true)).isEqualTo(keys(2, 4, 1));
        policy.evict(keys(2, 4));
        policy.verify(2);
        assertThat(policy.victims(2, any -> true)).isEqualTo(keys(1, 3));
    }

    @Test
    void whatIsInUseStaysAndTooFewAreNone() {
        insert(1, 2, 3);
        assertThat(policy.victims(2, candidate -> !candidate.equals(key(1)))).isEqualTo(keys(2, 3));
        assertThat(policy.victims(3, candidate -> !candidate.equals(key(1)))).isNull();
        assertThat(policy.victims(0, candidate -> false)).isEmpty();
        policy.verify(3);
    }

    @Test
    void touchingWhatIsNotThereDoesNotTakeItIn() {
        insert(1);
        policy.touch(key(2), true);
        policy.remove(key(3));
        policy.verify(1);
        policy.remove(key(1));
        policy.verify(0);
        assertThatThrownBy(() -> policy.verify(1)).hasMessageContaining("0 chunks of 1");
    }
}
