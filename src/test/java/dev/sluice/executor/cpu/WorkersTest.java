package dev.sluice.executor.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;

class WorkersTest {

    /** Many short rounds of changing length: a thread that is late by a round finds the next round's job half set up. */
    @Test
    void everyItemOfEveryRoundRunsExactlyOnceWhileRoundsFollowCloselyOnEachOther() {
        Random random = new Random(7);
        AtomicIntegerArray runs = new AtomicIntegerArray(64);
        try (Workers workers = new Workers("test", 4)) {
            for (int round = 0; round < 50_000; round++) {
                int count = random.nextInt(runs.length());
                workers.run(count, (worker, item) -> runs.incrementAndGet(item));
                for (int item = 0; item < runs.length(); item++) {
                    if (runs.get(item) != (item < count ? 1 : 0)) {
                        assertThat(runs.get(item))
                                .as("runs of item " + item + " of " + count + " in round " + round)
                                .isEqualTo(item < count ? 1 : 0);
                    }
                    runs.set(item, 0);
                }
            }
        }
    }

    @Test
    void whatWorkersWroteIsVisibleToTheBringer() {
        int[] written = new int[1000];
        try (Workers workers = new Workers("test", 3)) {
            for (int round = 1; round <= 1000; round++) {
                int value = round;
                workers.run(written.length, (worker, item) -> written[item] = value);
                assertThat(Arrays.stream(written).allMatch(x -> x == value)).isTrue();
            }
        }
    }

    @Test
    void workerNumbersAreWithinTheCrewAndDistinctForThreadsThatRunAtTheSameTime() {
        try (Workers workers = new Workers("test", 3)) {
            AtomicIntegerArray inside = new AtomicIntegerArray(3);
            AtomicIntegerArray clashes = new AtomicIntegerArray(1);
            workers.run(10_000, (worker, item) -> {
                if (inside.incrementAndGet(worker) != 1) {
                    clashes.incrementAndGet(0);
                }
                inside.decrementAndGet(worker);
            });
            assertThat(clashes.get(0)).isZero();
        }
    }

    @Test
    void failureOfAnItemReachesTheBringerAfterAllItemsHaveEndedAndTheCrewGoesOn() {
        try (Workers workers = new Workers("test", 3)) {
            AtomicIntegerArray runs = new AtomicIntegerArray(100);
            assertThatThrownBy(() -> workers.run(100, (worker, item) -> {
                        runs.incrementAndGet(item);
                        if (item == 50) {
                            throw new IllegalArgumentException("planted");
                        }
                    }))
                    .isInstanceOf(IllegalStateException.class)
                    .hasRootCauseMessage("planted");
            for (int item = 0; item < 100; item++) {
                assertThat(runs.get(item)).isEqualTo(1);
            }
            workers.run(100, (worker, item) -> runs.incrementAndGet(item));
            assertThat(runs.get(99)).isEqualTo(2);
        }
    }

    @Test
    void singleThreadRunsItemsInOrder() {
        int[] order = new int[5];
        int[] next = {0};
        try (Workers workers = new Workers("test", 1)) {
            workers.run(5, (worker, item) -> order[next[0]++] = item);
        }
        assertThat(order).containsExactly(0, 1, 2, 3, 4);
    }

    @Test
    void closingEndsTheThreads() {
        Workers workers = new Workers("closing-test", 3);
        workers.run(10, (worker, item) -> {});
        workers.close();
        workers.close();
        assertThat(Thread.getAllStackTraces().keySet())
                .noneMatch(thread -> thread.getName().startsWith("closing-test"));
    }
}
