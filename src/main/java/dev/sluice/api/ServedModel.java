package dev.sluice.api;

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

    String name() {
        return names.getFirst();
    }
}
