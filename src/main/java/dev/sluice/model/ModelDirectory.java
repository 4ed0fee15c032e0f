package dev.sluice.model;

import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** Opens models in the layout of Hugging Face: {@code config.json}, {@code tokenizer.json}, safetensors. */
public final class ModelDirectory {

    private static final String SINGLE_FILE = "model.safetensors";
    private static final String INDEX_FILE = "model.safetensors.index.json";
    private static final int SHARDS_MAX = 4096;

    private ModelDirectory() {}

    /**
     * Opens a directory.
     *
     * @param allowSymlinks follow links to files, as the cache of Hugging Face's own tools has them
     * @throws ModelFormatException saying in one sentence why the model cannot be served
     */
    public static Model open(Path directory, boolean allowSymlinks) {
        return open(new DirectorySource(directory, allowSymlinks));
    }

    /** Opens the default model that travels in the jar. */
    public static Model embedded() {
        return open(new EmbeddedSource());
    }

    @SuppressWarnings("MustBeClosedChecker") // the model owns the memory
    private static Model open(ModelSource source) {
        JsonNode config = Json.object(required(source, "config.json"), "config.json");
        ModelSpec spec = ModelConfigReader.read(config);
        byte[] tokenizer = source.read("tokenizer.json");
        byte[] generation = source.read("generation_config.json");
        JsonNode generationConfig = generation == null ? null : Json.object(generation, "generation_config.json");
        byte[] tokenizerConfig = source.read("tokenizer_config.json");
        String tokenizerText = tokenizerConfig == null ? "{}" : new String(tokenizerConfig, StandardCharsets.UTF_8);
        Arena memory = Arena.ofShared();
        try {
            WeightMap weights = ModelWeights.of(spec, shards(source, memory));
            return new Model(
                    source.name(),
                    spec,
                    weights,
                    defaults(config, generationConfig, spec),
                    tokenizer,
                    tokenizerText,
                    chatTemplate(source, tokenizerConfig),
                    memory);
        } catch (RuntimeException e) {
            memory.close();
            throw e;
        }
    }

    private static byte[] required(ModelSource source, String fileName) {
        byte[] bytes = source.read(fileName);
        if (bytes == null) {
            throw new ModelFormatException("the model " + source.name() + " has no " + fileName);
        }
        return bytes;
    }

    private static List<SafetensorsFile> shards(ModelSource source, Arena memory) {
        byte[] index = source.read(INDEX_FILE);
        if (index == null) {
            return List.of(source.weights(SINGLE_FILE, memory));
        }
        JsonNode map = Json.object(index, INDEX_FILE).path("weight_map");
        TreeSet<String> names = new TreeSet<>();
        for (JsonNode name : map) {
            names.add(name.asString(""));
        }
        if (names.isEmpty() || names.size() > SHARDS_MAX) {
            throw new ModelFormatException(
                    INDEX_FILE + " names " + names.size() + " files; between 1 and " + SHARDS_MAX + " are allowed");
        }
        List<SafetensorsFile> files = new ArrayList<>();
        for (String name : names) {
            files.add(source.weights(name, memory));
        }
        return files;
    }

    /** The template in its own file wins; the list form of old tokenizer configurations holds a "default". */
    private static @Nullable String chatTemplate(ModelSource source, byte @Nullable [] tokenizerConfig) {
        byte[] file = source.read("chat_template.jinja");
        if (file != null) {
            return new String(file, StandardCharsets.UTF_8);
        }
        if (tokenizerConfig == null) {
            return null;
        }
        JsonNode template =
                Json.object(tokenizerConfig, "tokenizer_config.json").path("chat_template");
        if (template.isString()) {
            return template.stringValue();
        }
        for (JsonNode named : template) {
            if (named.path("name").asString("").equals("default")) {
                return named.path("template").asString();
            }
        }
        return null;
    }

    private static GenerationDefaults defaults(JsonNode config, @Nullable JsonNode generation, ModelSpec spec) {
        TreeSet<Integer> ends = new TreeSet<>();
        addIds(ends, config.path("eos_token_id"), "config.json", spec.vocabularySize());
        if (generation == null) {
            return new GenerationDefaults(toArray(ends), null, null, null, null);
        }
        addIds(ends, generation.path("eos_token_id"), "generation_config.json", spec.vocabularySize());
        boolean sampling = generation.path("do_sample").asBoolean(true);
        Double temperature = number(generation, "temperature", 0, 2);
        return new GenerationDefaults(
                toArray(ends),
                sampling ? temperature : Double.valueOf(0),
                number(generation, "top_p", Double.MIN_VALUE, 1),
                integer(generation, "top_k", spec.vocabularySize()),
                number(generation, "repetition_penalty", Double.MIN_VALUE, 10));
    }

    private static void addIds(Set<Integer> ids, JsonNode node, String file, int vocabularySize) {
        for (JsonNode id : node.isArray() ? node : List.of(node)) {
            if (id.isMissingNode() || id.isNull()) {
                continue;
            }
            if (!id.isInt() || id.intValue() < 0 || id.intValue() >= vocabularySize) {
                throw new ModelFormatException(file + " has an eos_token_id outside of the vocabulary");
            }
            ids.add(id.intValue());
        }
    }

    private static int[] toArray(Set<Integer> ids) {
        return ids.stream().mapToInt(Integer::intValue).toArray();
    }

    private static @Nullable Double number(JsonNode node, String key, double min, double max) {
        JsonNode value = node.path(key);
        if (!value.isNumber()) {
            return null;
        }
        double number = value.doubleValue();
        if (!(number >= min && number <= max)) {
            throw new ModelFormatException(
                    "generation_config.json: " + key + " must be between " + min + " and " + max);
        }
        return number;
    }

    private static @Nullable Integer integer(JsonNode node, String key, int max) {
        JsonNode value = node.path(key);
        return value.isInt() ? Math.clamp(value.intValue(), 0, max) : null;
    }
}
