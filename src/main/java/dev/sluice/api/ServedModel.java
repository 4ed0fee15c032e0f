package dev.sluice.api;

import dev.sluice.engine.Engine;
import dev.sluice.model.GenerationDefaults;
import java.util.List;

/**
 * The model as the API shows it.
 *
 * @param names what it can be called; the first is its own name
 * @param created when it was loaded, in seconds since the epoch
 * @param contextLength longest prompt plus output, in tokens
 * @param endTokenIds ids that end an answer
 */
public record ServedModel(
        List<String> names,
        long created,
        int contextLength,
        int vocabularySize,
        GenerationDefaults defaults,
        List<Integer> endTokenIds,
        String fingerprint) {

    /** @param created in seconds since the epoch */
    static ServedModel of(Engine engine, long created) {
        return new ServedModel(
                engine.modelNames(),
                created,
                engine.contextLength(),
                engine.vocabularySize(),
                engine.model().generationDefaults(),
                engine.model().endTokenIds(),
                "fp_" + engine.executorName());
    }

    String name() {
        return names.getFirst();
    }
}
