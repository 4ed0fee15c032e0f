package dev.sluice.offload.host;

import static dev.sluice.offload.host.Keys.key;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ReuseTrackerTest {

    private final ReuseTracker tracker = new ReuseTracker(3);

    private void count(int... numbers) {
        for (int number : numbers) {
            tracker.count(key(number));
        }
    }

    @Test
    void countsEachKey() {
        count(1, 2, 1, 1);
        assertThat(tracker.requests(key(1))).isEqualTo(3);
        assertThat(tracker.requests(key(2))).isEqualTo(1);
        assertThat(tracker.requests(key(3))).isZero();
    }

    @Test
    void theKeyNotAskedForTheLongestIsForgotten() {
        count(1, 2, 3, 1, 4);
        assertThat(tracker.requests(key(2))).isZero();
        assertThat(tracker.requests(key(1))).isEqualTo(2);
        count(2);
        assertThat(tracker.requests(key(2))).as("begins anew").isEqualTo(1);
        assertThat(tracker.requests(key(3))).isZero();
    }

    @Test
    void lookingDoesNotCount() {
        count(1, 2, 3);
        assertThat(tracker.requests(key(1))).isEqualTo(1);
        count(4);
        assertThat(tracker.requests(key(1))).as("nor keep").isZero();
    }
}
