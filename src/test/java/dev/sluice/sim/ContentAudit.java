package dev.sluice.sim;

import dev.sluice.executor.sim.SimulatedExecutor;
import dev.sluice.kv.BlockHash;
import dev.sluice.kv.BlockHasher;
import dev.sluice.kv.BlockTable;
import dev.sluice.kv.KvCache;
import dev.sluice.request.GenerationRequest;
import dev.sluice.testkit.RecordingSink;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Compares what the prefix index promises with what the simulated memory holds: every findable block must have been
 * written, with exactly the history that its hash stands for. Finds "zombies", blocks registered but never computed.
 */
final class ContentAudit {

    private static final class Learned {
        private final BlockTable hashes;
        private int blocks;

        Learned(String salt) {
            hashes = new BlockTable(salt);
        }
    }

    private final SimulatedExecutor executor;
    private final KvCache cache;
    private final BlockHasher hasher;
    private final Map<BlockHash, Long> histories = new HashMap<>();
    private final Map<String, Learned> learned = new HashMap<>();

    ContentAudit(SimulatedExecutor executor, KvCache cache, BlockHasher hasher) {
        this.executor = executor;
        this.cache = cache;
        this.hasher = hasher;
    }

    /** The model has changed, and with it what every history looks like. */
    void forget() {
        histories.clear();
        learned.clear();
    }

    /** Takes note of the full blocks of a request's known tokens. */
    void learn(GenerationRequest request, RecordingSink sink) {
        Learned known = learned.computeIfAbsent(request.id(), id -> new Learned(request.cacheSalt()));
        int[] prompt = request.promptTokenIds();
        List<Integer> output = sink.tokens();
        int length = prompt.length + output.size();
        if (length / hasher.blockSize() == known.blocks) {
            return;
        }
        int[] tokens = Arrays.copyOf(prompt, length);
        for (int i = 0; i < output.size(); i++) {
            tokens[prompt.length + i] = output.get(i);
        }
        known.hashes.extendHashes(hasher, tokens, length);
        for (; known.blocks < known.hashes.hashed(); known.blocks++) {
            int end = (known.blocks + 1) * hasher.blockSize();
            histories.put(known.hashes.hash(known.blocks), SimulatedExecutor.history(tokens, end, executor.weights()));
        }
    }

    void verify() {
        for (int block = 1; block < cache.layout().blockCount(); block++) {
            BlockHash hash = cache.pool().hash(block);
            if (hash == null) {
                continue;
            }
            Long history = histories.get(hash);
            if (history == null) {
                throw new IllegalStateException("block " + block + " is findable under a content nobody had");
            }
            if (executor.slot(block, hasher.blockSize() - 1) != history) {
                throw new IllegalStateException("block " + block + " is findable but was not computed");
            }
        }
    }
}
