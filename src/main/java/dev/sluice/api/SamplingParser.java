package dev.sluice.api;

import dev.sluice.model.GenerationDefaults;
import dev.sluice.request.SamplingParams;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** Reads the fields that chat and text completions share: sampling, lengths, stops. */
final class SamplingParser {

    private static final double COLDEST = 0.01; // below, division by the temperature overflows

    private final ServedModel model;
    private final LongSupplier seeds;

    /** @param seeds gives the seed of a request that names none */
    SamplingParser(ServedModel model, LongSupplier seeds) {
        this.model = model;
        this.seeds = seeds;
    }

    /** Everything but the output limit and the log-probabilities. */
    SamplingParams.Builder read(Fields fields) {
        refuse(fields, "use_beam_search", "length_penalty", "prompt_logprobs", "bad_words", "allowed_token_ids");
        GenerationDefaults defaults = model.defaults();
        SamplingParams.Builder builder = new SamplingParams.Builder();
        double temperature = or(fields.number("temperature", 0, true, 2), defaults.temperature(), 1);
        builder.temperature((float) (temperature < 1e-5 ? 0 : Math.max(COLDEST, temperature)));
        builder.topP((float) or(fields.number("top_p", 0, false, 1), defaults.topP(), 1));
        Integer topK = defaults.topK();
        builder.topK(Math.max(0, fields.integer("top_k", topK == null ? 0 : topK, -1, Integer.MAX_VALUE)));
        builder.minP((float) or(fields.number("min_p", 0, true, 1), defaults.minP(), 0));
        builder.repetitionPenalty(
                (float) or(fields.number("repetition_penalty", 0, false, 10), defaults.repetitionPenalty(), 1));
        builder.presencePenalty((float) or(fields.number("presence_penalty", -2, true, 2), null, 0));
        builder.frequencyPenalty((float) or(fields.number("frequency_penalty", -2, true, 2), null, 0));
        Long seed = fields.integer("seed", Long.MIN_VALUE, Long.MAX_VALUE);
        builder.seed(seed == null ? seeds.getAsLong() : seed);
        bias(fields, builder);
        boolean ignoreEos = fields.flag("ignore_eos", false);
        builder.endTokenIds(ignoreEos ? new int[0] : toArray(model.endTokenIds()));
        builder.stopTokenIds(stopTokens(fields));
        return builder;
    }

    private static void refuse(Fields fields, String... names) {
        for (String name : names) {
            JsonNode value = fields.get(name);
            if (fields.has(name) && !(value.isBoolean() && !value.booleanValue())) {
                throw ApiError.unsupported(fields.path(name), fields.path(name) + " is not supported")
                        .asException();
            }
        }
    }

    private static double or(@Nullable Double given, @Nullable Double recommended, double otherwise) {
        return given != null ? given : recommended != null ? recommended : otherwise;
    }

    private void bias(Fields fields, SamplingParams.Builder builder) {
        Fields bias = fields.object("logit_bias");
        if (bias == null) {
            return;
        }
        TreeMap<Integer, Float> values = new TreeMap<>();
        JsonNode node = fields.get("logit_bias");
        if (node.size() > RequestLimits.BIASES) {
            throw ApiError.invalidValue("logit_bias", "may have at most " + RequestLimits.BIASES + " entries")
                    .asException();
        }
        for (Map.Entry<String, JsonNode> entry : node.properties()) {
            String key = entry.getKey();
            if (!key.matches("\\d{1,9}") || Integer.parseInt(key) >= model.vocabularySize()) {
                throw ApiError.invalidValue(
                                "logit_bias", "has a key that is not a token id below " + model.vocabularySize())
                        .asException();
            }
            values.put(Integer.parseInt(key), (float) Fields.numberAt(entry.getValue(), "logit_bias", -100, true, 100));
        }
        int[] ids = new int[values.size()];
        float[] shifts = new float[values.size()];
        int i = 0;
        for (Map.Entry<Integer, Float> entry : values.entrySet()) {
            ids[i] = entry.getKey();
            shifts[i++] = entry.getValue();
        }
        builder.bias(ids, shifts);
    }

    private int[] stopTokens(Fields fields) {
        List<Integer> ids = new ArrayList<>();
        for (JsonNode id : fields.list("stop_token_ids", RequestLimits.STOP_TOKENS)) {
            ids.add((int) Fields.integerAt(id, "stop_token_ids", 0, model.vocabularySize() - 1L));
        }
        return toArray(ids);
    }

    /**
     * Sets the lengths: at least {@code min_tokens}, at most {@code limit}, all within the context and the size that the
     * answer may have.
     */
    void lengths(
            Fields fields,
            SamplingParams.Builder builder,
            int longestPrompt,
            @Nullable Integer limit,
            String param,
            AnswerSize size) {
        int room = model.contextLength() - longestPrompt;
        boolean alias = param.equals("messages") && fields.has("max_completion_tokens");
        String limitName = alias ? "max_completion_tokens" : "max_tokens";
        if (room < 1 || (limit != null && limit > room)) {
            String asked = limit == null ? "" : ", and " + limit + " of output are asked for";
            throw ApiError.invalid(
                            limit == null || room < 1 ? param : limitName,
                            "context_length_exceeded",
                            "This model's maximum context length is " + model.contextLength()
                                    + " tokens; the prompt has " + longestPrompt + asked + ".")
                    .asException();
        }
        int max = limit == null ? Math.clamp(size.tokensMax(), 1, room) : limit;
        size.check(max, limitName, param.equals("messages") ? "top_logprobs" : "logprobs");
        builder.maxTokens(max);
        builder.minTokens(fields.integer("min_tokens", 0, 0, max));
    }

    static List<String> stops(Fields fields) {
        if (!fields.has("stop")) {
            return List.of();
        }
        JsonNode node = fields.get("stop");
        List<JsonNode> items = node.isString() ? List.of(node) : fields.list("stop", RequestLimits.STOPS);
        List<String> stops = new ArrayList<>();
        for (JsonNode item : items) {
            String stop = Fields.textAt(item, "stop", RequestLimits.STOP_BYTES);
            if (stop.isEmpty()) {
                throw ApiError.invalidValue("stop", "must not contain an empty string")
                        .asException();
            }
            stops.add(stop);
        }
        return stops;
    }

    private static int[] toArray(List<Integer> ids) {
        return ids.stream().mapToInt(Integer::intValue).toArray();
    }
}
