package dev.sluice.model;

import java.lang.foreign.Arena;
import java.util.List;

/**
 * An opened model: everything that executors and text need to serve it.
 *
 * @param name what people call it unless the configuration says otherwise
 * @param endTokenIds tokens that end a text, ascending
 * @param memory owns the bytes of the weights
 */
public record Model(
        String name,
        ModelSpec spec,
        WeightMap weights,
        GenerationDefaults generationDefaults,
        List<Integer> endTokenIds,
        TokenizerFiles tokenizerFiles,
        Arena memory)
        implements AutoCloseable {

    public Model {
        endTokenIds = List.copyOf(endTokenIds);
    }

    /** Frees the weights: touching a tensor afterwards throws. */
    @Override
    public void close() {
        memory.close();
    }
}
