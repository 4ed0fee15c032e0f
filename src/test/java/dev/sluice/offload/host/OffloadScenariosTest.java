package dev.sluice.offload.host;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.kv.BlockHash;
import dev.sluice.offload.ConnectorRequest;
import dev.sluice.offload.ExternalMatch;
import dev.sluice.request.PrefillRecord;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is stored and loaded, block by block, with the numbers of vLLM's tests of its offloading connector. */
class OffloadScenariosTest {

    private static OffloadBench bench(int blockSize, int blockCount, int chunk, boolean promptOnly) {
        return new OffloadBench(blockSize, blockCount, 300, OffloadBench.chunksOf(chunk, promptOnly));
    }

    @Test
    void onlyTheChunkThatTheHostLacksIsStored() {
        OffloadBench bench = bench(4, 40, 3, true);
        int[] prompt = bench.distinctPrompt(36);
        bench.add("a", prompt, 1);
        bench.failing.addAll(Set.of(3, 4, 5)); // so that only the first and the last chunk are there
        assertThat(bench.runToEnd()).containsExactly("store 0-8");
        assertThat(bench.hostChunks(3)).isEqualTo(2);
        bench.failing.clear();
        bench.add("b", prompt, 1);
        assertThat(bench.runToEnd()).containsExactly("store 3-5");
        bench.add("c", prompt, 1);
        assertThat(bench.runToEnd()).isEmpty();
        assertThat(bench.hostChunks(3)).isEqualTo(3);
    }

    @Test
    void storesArePendingThroughPreemptionUntilTheirBlocksAreNeeded() {
        OffloadBench bench = bench(4, 20, 3, false);
        bench.holding = true;
        bench.add("old", bench.distinctPrompt(9), 23, 0);
        bench.add("r", bench.distinctPrompt(24), 26);
        assertThat(bench.stepsToCopies()).containsExactly("store 0-5");
        assertThat(bench.stepsToCopies()).containsExactly("store 6-8");
        assertThat(bench.sinks.get("r").tokens()).hasSize(14);
        while (!bench.sinks.get("old").isEnded()) {
            assertThat(bench.step()).isEmpty();
        }
        assertThat(bench.sinks.get("r").tokens())
                .as("preempted with 44 tokens computed")
                .hasSize(21);
        assertThat(bench.connector.snapshot().openJobs()).isEqualTo(2);

        assertThat(bench.loop.resetPrefixCache(false, false)).isTrue();
        bench.add("c", bench.distinctPrompt(76), 1, 0); // takes every block there is
        assertThat(bench.step()).containsExactlyInAnyOrder("flush 0-5", "flush 6-8");
        assertThat(bench.sinks.get("c").isEnded()).isTrue();
        assertThat(bench.cache.pool().free()).isEqualTo(19);

        assertThat(bench.step()).containsExactly("load 0-8");
        bench.holding = false;
        assertThat(bench.runToEnd()).containsExactly("store 9-11");
        assertThat(bench.sinks.get("r").tokens()).hasSize(26);
        assertThat(bench.sinks.get("r").prefill()).isEqualTo(new PrefillRecord(24, 0, 0));
    }

    @Test
    void twoRequestsWithOnePrefixLoadItOnce() {
        OffloadBench bench = bench(4, 40, 3, true);
        int[] prefix = bench.distinctPrompt(12);
        bench.add("first", prefix, 1);
        assertThat(bench.runToEnd()).containsExactly("store 0-2");
        assertThat(bench.loop.resetPrefixCache(false, false)).isTrue();

        bench.holding = true;
        bench.add("a", with(prefix, 1), 1);
        bench.add("b", with(prefix, 2), 1);
        assertThat(bench.step()).containsExactly("load 0-2");
        assertThat(bench.step()).isEmpty();
        assertThat(bench.loop.snapshot().waitingDeferred()).isEqualTo(2);
        bench.holding = false;
        assertThat(bench.runToEnd()).isEmpty();
        assertThat(bench.sinks.get("a").prefill()).isEqualTo(new PrefillRecord(13, 0, 12));
        assertThat(bench.sinks.get("b").prefill()).isEqualTo(new PrefillRecord(13, 12, 0));
    }

    @Test
    void aListenerThatThrowsIsNoFailureOfTheTiers() {
        OffloadBench bench = bench(4, 40, 3, true);
        bench.listenerFails = true;
        int[] prefix = bench.distinctPrompt(12);
        for (int i = 0; i < 20; i++) {
            bench.add("stored" + i, bench.distinctPrompt(12), 1);
            bench.runToEnd();
        }
        bench.add("first", prefix, 1);
        assertThat(bench.runToEnd()).containsExactly("store 0-2");
        assertThat(bench.loop.resetPrefixCache(false, false)).isTrue();
        bench.add("a", with(prefix, 1), 1);
        assertThat(bench.runToEnd()).containsExactly("load 0-2");
        assertThat(bench.told).hasSize(22);
        assertThat(bench.sinks.get("a").prefill()).isEqualTo(new PrefillRecord(13, 0, 12));
        assertThat(bench.loop.snapshot().connectorFailures()).isZero();
        assertThat(bench.loop.snapshot().connectorOff()).isFalse();
    }

    private static int[] with(int[] prefix, int last) {
        int[] prompt = Arrays.copyOf(prefix, prefix.length + 1);
        prompt[prefix.length] = 50_000 + last;
        return prompt;
    }

    @ParameterizedTest
    @CsvSource({"2147483647, store 0-8", "0, ''", "24, store 0-5", "23, store 0-2", "11, ''", "36, store 0-8"})
    void aRequestMayLimitWhatOfItIsStored(int tokens, String expected) {
        OffloadBench bench = bench(4, 40, 3, true);
        bench.add("a", bench.distinctPrompt(36), 5, tokens);
        assertThat(String.join(", ", bench.runToEnd())).isEqualTo(expected);
    }

    @Test
    void withPromptsOnlyNothingGeneratedIsStored() {
        OffloadBench bench = bench(4, 40, 3, true);
        int[] prompt = bench.distinctPrompt(24);
        bench.add("a", prompt, 48);
        assertThat(bench.runToEnd()).containsExactly("store 0-5");
        assertThat(bench.hostChunks(3)).isEqualTo(2);

        OffloadBench all = bench(4, 40, 3, false);
        all.add("a", prompt, 49); // the last token is never computed
        List<String> copies = all.runToEnd();
        assertThat(copies).startsWith("store 0-5", "store 6-8").endsWith("store 15-17");
        assertThat(all.hostChunks(3)).isEqualTo(6);
    }

    @Test
    void aPendingStoreIsFlushedBeforeItsOnlyBlockIsComputedAnew() {
        OffloadBench bench = bench(4, 2, 1, true);
        bench.holding = true;
        bench.add("r1", bench.distinctPrompt(4), 1);
        assertThat(bench.step()).isEmpty();
        assertThat(bench.step()).containsExactly("store 0");
        bench.add("r2", bench.distinctPrompt(4), 1, 0);
        assertThat(bench.step()).containsExactly("flush 0");
        assertThat(bench.sinks.get("r2").isEnded()).isTrue();
        assertThat(bench.connector.hasPendingWork()).isFalse();
    }

    @Test
    void aPendingStoreIsFlushedBeforeItsOnlyBlockIsLoaded() {
        OffloadBench bench = bench(4, 2, 1, true);
        int[] stored = bench.distinctPrompt(4);
        bench.add("r0", stored, 1);
        assertThat(bench.runToEnd()).containsExactly("store 0");
        bench.holding = true;
        bench.add("r1", bench.distinctPrompt(4), 1);
        assertThat(bench.step()).isEmpty();
        bench.add("r2", stored, 1);
        assertThat(bench.step()).as("store, wait and load in one step").containsExactly("store 0", "flush 0", "load 0");
        bench.holding = false;
        assertThat(bench.runToEnd()).isEmpty();
        assertThat(bench.sinks.get("r2").prefill()).isEqualTo(new PrefillRecord(4, 0, 4));
        assertThat(bench.connector.hasPendingWork()).isFalse();
        assertThat(bench.hostChunks(1)).isEqualTo(2);
    }

    @Test
    void theChunkThatCouldNotBeLoadedIsDroppedAndStoredAnew() {
        OffloadBench bench = bench(4, 40, 3, true);
        int[] prompt = bench.distinctPrompt(24);
        bench.add("a", prompt, 1);
        assertThat(bench.runToEnd()).containsExactly("store 0-5");
        assertThat(bench.loop.resetPrefixCache(false, false)).isTrue();
        bench.add("head", with(Arrays.copyOf(prompt, 4), 1), 1);
        assertThat(bench.runToEnd()).isEmpty();

        bench.add("b", with(prompt, 2), 1);
        bench.failing.add(2); // the first block of the second chunk, as the device holds block 0
        assertThat(bench.step()).containsExactly("load 1-5");
        bench.holding = true;
        bench.step();
        bench.failing.clear();
        bench.holding = false;
        assertThat(bench.runToEnd()).containsExactly("store 3-5");
        assertThat(bench.sinks.get("b").prefill()).isEqualTo(new PrefillRecord(25, 4, 20));
        assertThat(bench.hostChunks(3)).isEqualTo(2);
    }

    @Test
    void aPromptWithoutAWholeChunkBeyondTheDeviceIsNotLookedUp() {
        OffloadBench bench = bench(4, 40, 3, true);
        int[] prompt = bench.distinctPrompt(23);
        for (int local : new int[] {12, 16, 20}) {
            UnaskedRequest request = new UnaskedRequest(prompt.length);
            bench.connector.onNewRequest(request);
            assertThat(bench.connector.match(request, local)).isEqualTo(ExternalMatch.NONE);
        }
    }

    /** Fails whoever asks what it contains. */
    private record UnaskedRequest(int tokenCount) implements ConnectorRequest {
        @Override
        public long sequence() {
            return 1;
        }

        @Override
        public int promptLength() {
            return tokenCount;
        }

        @Override
        public int computedTokens() {
            return 0;
        }

        @Override
        public int hashedBlocks() {
            return tokenCount / 4;
        }

        @Override
        public BlockHash blockHash(int index) {
            throw new AssertionError("it was looked up");
        }

        @Override
        public int maxOffloadTokens() {
            return Integer.MAX_VALUE;
        }
    }

    @Test
    void whatIsStoredOrLoadedWhileTheTiersAreResetIsNotKept() {
        OffloadBench bench = bench(4, 40, 3, true);
        int[] prompt = bench.distinctPrompt(36);
        bench.holding = true;
        bench.add("a", prompt, 1);
        bench.step();
        assertThat(bench.step()).containsExactly("store 0-8");
        assertThat(bench.loop.resetPrefixCache(false, true)).isTrue();
        assertThat(bench.hostChunks(3)).as("being written, seen by nobody").isEqualTo(3);
        bench.holding = false;
        assertThat(bench.runToEnd()).isEmpty();
        assertThat(bench.hostChunks(3)).isZero();
        bench.add("b", prompt, 1);
        assertThat(bench.runToEnd()).containsExactly("store 0-8");

        assertThat(bench.loop.resetPrefixCache(false, false)).isTrue();
        bench.holding = true;
        bench.add("c", with(prompt, 1), 1);
        assertThat(bench.step()).containsExactly("load 0-8");
        assertThat(bench.loop.resetPrefixCache(true, true)).isTrue();
        assertThat(bench.hostChunks(3)).as("pinned by the load").isEqualTo(3);
        assertThat(bench.step()).as("computed anew").isEmpty();
        assertThat(bench.sinks.get("c").prefill()).isEqualTo(new PrefillRecord(37, 0, 0));
        bench.holding = false;
        bench.runToEnd();
        assertThat(bench.hostChunks(3)).isZero();
        assertThat(bench.connector.snapshot().tier("host").pinned()).isZero();
        assertThat(bench.cache.pool().free()).isEqualTo(39);
    }

    @Test
    void aLoadThatFailedIsNotToldAsLoaded() {
        for (int failing : new int[] {0, 2}) {
            OffloadBench bench = bench(4, 40, 3, true);
            int[] prompt = bench.distinctPrompt(12);
            bench.add("a", prompt, 1);
            bench.runToEnd();
            assertThat(bench.told).containsExactly("host stored 96");
            assertThat(bench.loop.resetPrefixCache(false, false)).isTrue();
            bench.told.clear();
            bench.failing.add(failing);
            bench.add("b", with(prompt, 1), 1);
            bench.step();
            bench.runToEnd();
            bench.failing.clear();
            assertThat(bench.told.getFirst()).isEqualTo("host load failed");
            assertThat(bench.told).noneMatch(line -> line.contains("loaded"));
            assertThat(bench.sinks.get("b").tokens()).isEqualTo(bench.demanded("b"));
        }
    }

    @Test
    void aStoreThatFailedIsNotToldAsStored() {
        OffloadBench bench = bench(4, 40, 3, true);
        bench.failing.add(1);
        bench.add("a", bench.distinctPrompt(12), 1);
        bench.runToEnd();
        assertThat(bench.told).containsExactly("host store failed");
    }
}
