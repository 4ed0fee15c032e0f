package dev.sluice.offload.host;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.offload.host.OffloadSettings.Eviction;
import dev.sluice.request.FinishReason;
import dev.sluice.testkit.FlakyConnector;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A connector that throws, from any of its methods and at any time: nobody loses a token, a block or the loop. */
class GuardedConnectorTest {

    private static final int FAILURES_MAX = 10; // as the bench sets it

    /** One way to fail: in which method, before or after its work, at which of its calls, loading how. */
    record Fault(String method, boolean before, int firstCall, int lastCall, boolean asynchronous) {

        Predicate<String> at(boolean begin) {
            int[] calls = {0};
            return name -> {
                if (!name.equals(method) || begin != before) {
                    return false;
                }
                calls[0]++;
                return calls[0] >= firstCall && calls[0] <= lastCall;
            };
        }
    }

    static Stream<Fault> faults() {
        return FlakyConnector.METHODS.stream()
                .flatMap(method -> Stream.of(true, false)
                        .flatMap(before -> Stream.of(true, false)
                                .flatMap(asynchronous -> Stream.concat(
                                        Stream.of(new Fault(method, before, 1, Integer.MAX_VALUE, asynchronous)),
                                        Stream.of(1, 2, 3, 4, 6, 9, 13, 18, 24, 40)
                                                .map(call -> new Fault(method, before, call, call, asynchronous))))));
    }

    private static OffloadBench bench(FlakyConnector[] flaky, Fault fault) {
        OffloadSettings settings = new OffloadSettings(2, Eviction.LRU, 0, 64_000, false, fault.asynchronous());
        return new OffloadBench(4, 24, 300, settings, connector -> {
            flaky[0] = new FlakyConnector(connector, fault.at(true), fault.at(false));
            return flaky[0];
        });
    }

    /** Stores, loads, shares, preempts and resets. */
    private static void live(OffloadBench bench) {
        int[] prompt = bench.distinctPrompt(33);
        bench.add("stored", prompt, 3);
        finish(bench);
        bench.loop.resetPrefixCache(true, false);
        bench.add("loading", prompt, 3);
        bench.add("sharing", Arrays.copyOf(prompt, 40), 3);
        finish(bench);
        bench.loop.resetPrefixCache(true, false);
        bench.add("old", bench.distinctPrompt(30), 24); // these two grow beyond the pool
        bench.add("young", prompt, 24);
        finish(bench);
        bench.loop.resetPrefixCache(true, true);
        bench.add("after the reset", prompt, 3);
        finish(bench);
    }

    /** Beyond the last answer, since copies and what the guard has to say may still be under way. */
    private static void finish(OffloadBench bench) {
        for (int i = 0; i < 20 || (i < 500 && bench.loop.hasRequests()); i++) {
            bench.step();
        }
    }

    @ParameterizedTest
    @MethodSource("faults")
    void whateverThrowsCostsRecomputationAndNothingElse(Fault fault) {
        FlakyConnector[] flaky = new FlakyConnector[1];
        OffloadBench bench = bench(flaky, fault);
        live(bench);
        bench.sinks.forEach((name, sink) -> {
            assertThat(sink.finishReason()).as(name).isEqualTo(FinishReason.LENGTH);
            assertThat(sink.tokens()).as(name).isEqualTo(bench.demanded(name));
        });
        assertThat(bench.cache.pool().free()).as("free blocks").isEqualTo(23);
        assertThat(bench.loop.snapshot().connectorFailures()).isEqualTo(flaky[0].thrown());
        boolean off = flaky[0].thrown() >= FAILURES_MAX || (fault.method().equals("reset") && flaky[0].thrown() > 0);
        assertThat(bench.loop.snapshot().connectorOff()).isEqualTo(off);
        if (off) {
            assertThat(flaky[0].thrown()).as("not asked again").isLessThanOrEqualTo(FAILURES_MAX);
            assertThat(bench.loop.hasTransfers()).isFalse();
            bench.loop.verifyBooks();
        }
    }

    /** Or the test above would show nothing. */
    @Test
    void thatLifeCallsEveryMethodAndLoads() {
        List<String> called = new java.util.ArrayList<>();
        OffloadSettings settings = new OffloadSettings(2, Eviction.LRU, 0, 64_000, false, true);
        OffloadBench bench = new OffloadBench(
                4,
                24,
                300,
                settings,
                connector -> new FlakyConnector(
                        connector,
                        name -> {
                            called.add(name);
                            return false;
                        },
                        name -> false));
        live(bench);
        assertThat(called).containsAll(FlakyConnector.METHODS);
        assertThat(bench.sinks.get("loading").prefill().externalTokens()).isEqualTo(32);
        assertThat(bench.loop.snapshot().connectorFailures()).isZero();
    }

    @Test
    void afterOneFailureTheConnectorIsUsedAsBefore() {
        FlakyConnector[] flaky = new FlakyConnector[1];
        OffloadBench bench = bench(flaky, new Fault("match", true, 2, 2, true));
        int[] prompt = bench.distinctPrompt(33);
        bench.add("stored", prompt, 1);
        bench.runToEnd();
        for (int external : new int[] {0, 32, 32}) {
            bench.loop.resetPrefixCache(true, false);
            bench.sinks.clear();
            bench.add("r" + external, prompt, 1);
            bench.runToEnd();
            assertThat(bench.sinks.get("r" + external).prefill().externalTokens())
                    .isEqualTo(external);
        }
        assertThat(bench.loop.snapshot().connectorFailures()).isEqualTo(1);
        assertThat(bench.loop.snapshot().connectorOff()).isFalse();
    }

    @Test
    void failuresThatLieFarApartDoNotAddUp() {
        FlakyConnector[] flaky = new FlakyConnector[1];
        OffloadBench bench = bench(flaky, new Fault("match", true, 1, Integer.MAX_VALUE, true));
        for (int i = 0; i < 30; i++) {
            bench.add("slow" + i, bench.distinctPrompt(12), 1);
            finish(bench);
            bench.clock.advanceNanos(Duration.ofSeconds(61).toNanos());
        }
        assertThat(bench.loop.snapshot().connectorFailures()).isEqualTo(30);
        assertThat(bench.loop.snapshot().connectorOff()).isFalse();
        for (int i = 0; i < 12; i++) {
            bench.add("quick" + i, bench.distinctPrompt(12), 1);
            finish(bench);
        }
        assertThat(bench.loop.snapshot().connectorFailures()).isEqualTo(30 + FAILURES_MAX);
        assertThat(bench.loop.snapshot().connectorOff()).isTrue();
    }
}
