package dev.sluice.model;

import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;

/** Opens models in the layout of Hugging Face: {@code config.json}, safetensors and tokenizer files side by side. */
public final class ModelDirectory {

    private static final String EMBEDDED = "models/minimind2-small";
    private static final int CONFIG_BYTES_MAX = 4 << 20;

    private ModelDirectory() {}

    /**
     * Opens a directory; the weights are mapped, not read.
     *
     * @param allowSymlinks follow links out of the directory, as the caches of Hugging Face's own tools have them
     * @throws ModelFormatException if anything in it is missing or not as it must be
     */
    public static Model open(Path directory, boolean allowSymlinks) {
        return open(new DirectorySource(directory, allowSymlinks));
    }

    /**
     * Opens a directory of which only {@code config.json} must be there: weights are random, and a tokenizer that is missing
     * is that of the embedded model. For measuring, without the files.
     */
    public static Model openWithoutWeights(Path directory, boolean allowSymlinks) {
        return open(new DirectorySource(directory, allowSymlinks), true);
    }

    /** Opens the small model that travels with the program. */
    public static Model embedded() {
        return open(embeddedSource());
    }

    private static ModelSource embeddedSource() {
        return new ClasspathSource(ModelDirectory.class.getClassLoader(), EMBEDDED);
    }

    static Model open(ModelSource source) {
        return open(source, false);
    }

    @SuppressWarnings("MustBeClosedChecker") // the model owns the arena and closes it
    private static Model open(ModelSource source, boolean withoutWeights) {
        ModelConfig config = ModelConfigReader.read(source.require(ModelConfigReader.FILE, CONFIG_BYTES_MAX));
        ModelSpec spec = config.spec();
        byte[] generation = source.read(GenerationConfig.FILE, CONFIG_BYTES_MAX);
        GenerationConfig recommended = generation == null
                ? new GenerationConfig(GenerationDefaults.NONE, List.of())
                : GenerationConfig.read(generation, spec.vocabularySize());
        TokenizerFiles tokenizer = TokenizerFiles.read(source);
        if (withoutWeights && tokenizer.tokenizer() == null) {
            tokenizer = TokenizerFiles.read(embeddedSource());
        }
        TreeSet<Integer> ends = new TreeSet<>(config.endTokenIds());
        ends.addAll(recommended.endTokenIds());

        Arena arena = Arena.ofShared();
        try {
            WeightMap weights = withoutWeights
                    ? RandomWeights.of(WeightPlan.of(config), arena)
                    : WeightFiles.open(source, arena).verify(WeightPlan.of(config));
            return new Model(
                    source.modelName(), spec, weights, recommended.defaults(), List.copyOf(ends), tokenizer, arena);
        } catch (RuntimeException | Error e) {
            arena.close();
            throw e;
        }
    }
}
