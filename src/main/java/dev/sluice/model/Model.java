package dev.sluice.model;

import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/**
 * An opened model: its description, its weights and the texts that the tokenizer and the template are made from.
 *
 * @param name how it is called unless the configuration says otherwise
 * @param tokenizerJson bytes of {@code tokenizer.json}, or null if there is none
 * @param tokenizerConfig text of {@code tokenizer_config.json}, or {@code {}}
 * @param chatTemplate source of the chat template, or null if the model has none
 * @param memory owns the weights' memory; closing it makes every tensor unusable
 */
@SuppressWarnings("ArrayRecordComponent") // read once at start
public record Model(
        String name,
        ModelSpec spec,
        WeightMap weights,
        GenerationDefaults defaults,
        byte @Nullable [] tokenizerJson,
        String tokenizerConfig,
        @Nullable String chatTemplate,
        Arena memory)
        implements AutoCloseable {

    @Override
    public void close() {
        memory.close();
    }
}
