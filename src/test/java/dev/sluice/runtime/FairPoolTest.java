package dev.sluice.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class FairPoolTest {

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(30, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    /** Occupies the thread for lengthy tasks and that for short ones; they are free when the latch is down. */
    private static CountDownLatch occupied(FairPool pool) {
        CountDownLatch release = new CountDownLatch(1);
        CountDownLatch begun = new CountDownLatch(2);
        for (boolean lengthy : new boolean[] {true, false}) {
            assertThat(pool.submit("somebody", lengthy, () -> {
                        begun.countDown();
                        await(release);
                    }))
                    .isTrue();
        }
        await(begun);
        return release;
    }

    @Test
    void callersTakeTurns() {
        try (FairPool pool = new FairPool("test", 2, 100)) {
            CountDownLatch release = occupied(pool);
            List<String> order = new CopyOnWriteArrayList<>();
            CountDownLatch done = new CountDownLatch(8);
            for (String task : List.of("a1", "a2", "a3", "a4", "a5", "b1", "b2", "c1")) {
                pool.submit(
                        task.substring(0, 1),
                        true,
                        () -> { // one thread only takes them
                            order.add(task);
                            done.countDown();
                        });
            }
            release.countDown();
            await(done);
            assertThat(order).containsExactly("a1", "b1", "c1", "a2", "b2", "a3", "a4", "a5");
        }
    }

    @Test
    void shortTasksDoNotWaitForLengthyOnes() {
        CountDownLatch release = new CountDownLatch(1);
        try (FairPool pool = new FairPool("test", 4, 100)) {
            for (int i = 0; i < 10; i++) {
                pool.submit("greedy " + i, true, () -> await(release));
            }
            CountDownLatch done = new CountDownLatch(1);
            pool.submit("another", false, done::countDown);
            await(done);
        } finally {
            release.countDown();
        }
    }

    @Test
    void noCallerHasMoreThanHalfOfThePlaces() {
        try (FairPool pool = new FairPool("test", 2, 6)) {
            CountDownLatch release = occupied(pool);
            for (int i = 0; i < 3; i++) {
                assertThat(pool.submit("a", i % 2 == 0, () -> {})).isTrue();
            }
            assertThat(pool.submit("a", false, () -> {})).isFalse();
            for (int i = 0; i < 3; i++) {
                assertThat(pool.submit("b" + i, false, () -> {})).isTrue();
            }
            assertThat(pool.submit("c", false, () -> {})).isFalse();
            assertThat(pool.queued()).isEqualTo(6);
            release.countDown();
        }
    }

    @Test
    void whatIsTakenBackNeverRuns() {
        try (FairPool pool = new FairPool("test", 2, 6)) {
            CountDownLatch release = occupied(pool);
            List<String> ran = new CopyOnWriteArrayList<>();
            CountDownLatch done = new CountDownLatch(2);
            Runnable task = () -> ran.add("taken back");
            pool.submit("a", false, task);
            assertThat(pool.remove("a", task)).isTrue();
            assertThat(pool.remove("a", task)).isFalse();
            assertThat(pool.queued()).isZero();
            pool.submit("a", false, done::countDown);
            pool.submit("a", true, done::countDown);
            release.countDown();
            await(done);
            assertThat(ran).isEmpty();
        }
    }

    @Test
    void aTaskThatFailsCostsNoThread() {
        try (FairPool pool = new FairPool("test", 2, 6)) {
            for (int i = 0; i < 3; i++) {
                CountDownLatch begun = new CountDownLatch(1);
                pool.submit("a", true, () -> {
                    begun.countDown();
                    Thread.currentThread().setUncaughtExceptionHandler((thread, e) -> {});
                    throw new IllegalStateException("a fault of the task");
                });
                await(begun);
            }
            CountDownLatch done = new CountDownLatch(1);
            pool.submit("a", true, done::countDown);
            await(done);
        }
    }

    @Test
    void oneThreadIsNotEnough() {
        assertThatThrownBy(() -> new FairPool("test", 1, 6)).isInstanceOf(IllegalArgumentException.class);
    }
}
