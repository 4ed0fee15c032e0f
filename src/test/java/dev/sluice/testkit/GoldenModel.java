package dev.sluice.testkit;

import dev.sluice.model.Model;
import dev.sluice.model.ModelDirectory;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A model with known answers: the embedded one, or one of the tiny ones under {@code golden/tiny}. */
public final class GoldenModel implements AutoCloseable {

    public static final String EMBEDDED = "minimind2-small";

    /** Logits expected of some ids at one position: all of them, or the ten best. */
    public record Expected(int position, int[] ids, float[] logits) {}

    /** A prompt and what the float64 reference says of it. */
    public record Case(String name, int[] prompt, List<Expected> expected, int[] greedy, double[] margins) {}

    private final Model model;
    private final List<Case> cases = new ArrayList<>();

    private GoldenModel(Model model, JsonNode golden) {
        this.model = model;
        for (JsonNode node : golden.get("cases")) {
            cases.add(read(node, cases.size()));
        }
    }

    public static GoldenModel open(String name, Path scratch) {
        return open(name, scratch, directory -> {});
    }

    /** A tiny model whose copy is spoiled before it is read. */
    public static GoldenModel open(String name, Path scratch, Consumer<Path> spoil) {
        try {
            if (name.equals(EMBEDDED)) {
                return new GoldenModel(ModelDirectory.embedded(), json("/golden/" + name + ".json"));
            }
            Path directory = ModelFixtures.copyOfTiny(name, scratch);
            Files.writeString(directory.resolve("tokenizer.json"), "{}"); // must be there, is not read
            spoil.accept(directory);
            return new GoldenModel(
                    ModelDirectory.open(directory, false), json("/golden/tiny/" + name + "/golden.json"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public Model model() {
        return model;
    }

    public List<Case> cases() {
        return cases;
    }

    public boolean isInt8() {
        return model.weights().find("lm_head.weight_scale") != null;
    }

    private static Case read(JsonNode node, int number) {
        int[] prompt = ints(node.get("prompt_ids"));
        List<Expected> expected = new ArrayList<>();
        JsonNode all = node.get("last_logits");
        if (all != null) {
            int[] ids = new int[all.size()];
            float[] logits = new float[all.size()];
            for (int i = 0; i < ids.length; i++) {
                ids[i] = i;
                logits[i] = all.get(i).floatValue();
            }
            expected.add(new Expected(prompt.length - 1, ids, logits));
        } else {
            expected.add(top(prompt.length - 1, node.get("last_top10")));
        }
        for (Map.Entry<String, JsonNode> inner : node.path("top10_at").properties()) {
            expected.add(top(Integer.parseInt(inner.getKey()), inner.getValue()));
        }
        int[] greedy = ints(node.get("greedy_ids"));
        double[] margins = new double[greedy.length];
        for (int i = 0; i < greedy.length; i++) {
            margins[i] = node.has("greedy_margins")
                    ? node.get("greedy_margins").get(i).doubleValue()
                    : node.get("min_margin").doubleValue();
        }
        String name = node.has("name") ? node.get("name").asString() : "prompt " + number + " of " + prompt.length;
        return new Case(name, prompt, expected, greedy, margins);
    }

    private static Expected top(int position, JsonNode pairs) {
        int[] ids = new int[pairs.size()];
        float[] logits = new float[ids.length];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = pairs.get(i).get(0).intValue();
            logits[i] = pairs.get(i).get(1).floatValue();
        }
        return new Expected(position, ids, logits);
    }

    private static int[] ints(JsonNode array) {
        int[] values = new int[array.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.get(i).intValue();
        }
        return values;
    }

    private static JsonNode json(String path) throws IOException {
        try (InputStream in = resource(path)) {
            return JsonMapper.shared().readTree(in);
        }
    }

    private static InputStream resource(String path) {
        @Nullable InputStream in = GoldenModel.class.getResourceAsStream(path);
        if (in == null) {
            throw new IllegalStateException("no resource " + path);
        }
        return in;
    }

    @Override
    public void close() {
        model.close();
    }
}
