package dev.sluice.api;

import dev.sluice.request.SamplingParams;
import java.util.List;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * Turns request bodies into {@link GenerationCall}s. No later code sees JSON, or checks a value again. Takes CPU time
 * (templates, tokenizing), so it runs as {@link TextWork}.
 */
final class RequestParser {

    private static final int COMPLETION_TOKENS = 16; // the default of the completions endpoint

    private final ServedModel model;
    private final PromptParser prompts;
    private final RequestLimits limits;
    private final SamplingParser sampling;

    RequestParser(ServedModel model, PromptParser prompts, RequestLimits limits, LongSupplier seeds) {
        this.model = model;
        this.prompts = prompts;
        this.limits = limits;
        sampling = new SamplingParser(model, seeds);
    }

    GenerationCall chat(byte[] body) {
        Fields fields = JsonBody.parse(body);
        UnsupportedFields.check(fields);
        String name = prompts.modelName(fields);
        SamplingParams.Builder builder = sampling.read(fields);
        boolean logprobs = fields.flag("logprobs", false);
        int top = fields.integer("top_logprobs", 0, 0, 20);
        if (top > 0 && !logprobs) {
            throw ApiError.invalidValue("top_logprobs", "needs logprobs to be true")
                    .asException();
        }
        builder.logprobs(logprobs ? top : -1);
        Long alias = fields.integer("max_tokens", 1, Integer.MAX_VALUE);
        Long limit = fields.has("max_completion_tokens")
                ? fields.integer("max_completion_tokens", 1, Integer.MAX_VALUE)
                : alias;
        int choices = choices(fields, 1);
        List<String> stops = SamplingParser.stops(fields);
        StreamOptions stream = StreamOptions.read(fields);
        int[] prompt = prompts.chat(fields);
        Integer most = limit == null ? null : limit.intValue();
        AnswerSize size = new AnswerSize(choices, logprobs ? top : -1, stream.stream(), 0, limits.answerBytes());
        sampling.lengths(fields, builder, prompt.length, most, "messages", size);
        return call(true, name, List.of(prompt), builder, choices, stops, List.of(), stream, size, most, fields);
    }

    GenerationCall completion(byte[] body) {
        Fields fields = JsonBody.parse(body);
        UnsupportedFields.check(fields);
        if (fields.has("suffix")) {
            throw ApiError.unsupported("suffix", "suffix is not supported by this model")
                    .asException();
        }
        String name = prompts.modelName(fields);
        SamplingParams.Builder builder = sampling.read(fields);
        int top = fields.integer("logprobs", -1, 0, 20);
        builder.logprobs(top);
        StreamOptions stream = StreamOptions.read(fields);
        List<String> stops = SamplingParser.stops(fields);
        boolean echo = fields.flag("echo", false);
        if (echo && top >= 0) {
            throw ApiError.unsupported("echo", "echo together with logprobs is not supported")
                    .asException();
        }
        Long limit = fields.integer("max_tokens", 1, Integer.MAX_VALUE);
        List<JsonNode> items = prompts.items(fields);
        int choices = choices(fields, items.size());
        List<int[]> ids = prompts.completion(fields, items);
        int longest = ids.stream().mapToInt(prompt -> prompt.length).max().orElse(0);
        long echoed = echo ? choices * prompts.decodedBytes(ids) : 0;
        AnswerSize size = new AnswerSize(ids.size() * choices, top, stream.stream(), echoed, limits.answerBytes());
        int otherwise = Math.clamp(Math.min(size.tokensMax(), model.contextLength() - longest), 1, COMPLETION_TOKENS);
        Integer most = limit == null ? Integer.valueOf(otherwise) : limit.intValue();
        sampling.lengths(fields, builder, longest, most, "prompt", size);
        List<String> echoes = echo ? prompts.echoes(ids, choices) : List.of();
        return call(false, name, ids, builder, choices, stops, echoes, stream, size, most, fields);
    }

    private GenerationCall call(
            boolean chat,
            String name,
            List<int[]> prompts,
            SamplingParams.Builder builder,
            int choices,
            List<String> stops,
            List<String> echoes,
            StreamOptions stream,
            AnswerSize size,
            @Nullable Integer limit,
            Fields fields) {
        SamplingParams sampled = builder.build();
        String salt = fields.text("cache_salt", RequestLimits.NAME_BYTES);
        if (salt != null && salt.isEmpty()) {
            throw ApiError.invalidValue("cache_salt", "must not be empty").asException();
        }
        fields.text("user", RequestLimits.NAME_BYTES);
        return new GenerationCall(
                chat,
                name,
                prompts,
                sampled,
                choices,
                stops,
                fields.flag("include_stop_str_in_output", false),
                fields.flag("skip_special_tokens", true),
                echoes,
                size.logprobs() >= 0,
                stream.stream(),
                stream.includeUsage(),
                stream.continuousUsage(),
                fields.integer("priority", 0, Integer.MIN_VALUE, Integer.MAX_VALUE),
                salt,
                maxOffloadTokens(fields),
                size,
                size.atAdmission(sampled.maxTokens(), limit));
    }

    /** As vLLM, which ignores what is no count of tokens. */
    private static int maxOffloadTokens(Fields fields) {
        JsonNode value = fields.get("kv_transfer_params").path("max_offload_tokens");
        boolean count = value.isIntegralNumber() && value.canConvertToInt() && value.intValue() >= 0;
        return count ? value.intValue() : Integer.MAX_VALUE;
    }

    private int choices(Fields fields, int prompts) {
        int choices = fields.integer("n", 1, 1, limits.choices());
        int bestOf = fields.integer("best_of", choices, 1, limits.choices());
        if (bestOf != choices) {
            throw ApiError.unsupported("best_of", "best_of must equal n").asException();
        }
        if ((long) prompts * choices > limits.sequences()) {
            throw ApiError.invalidValue("n", "times the number of prompts may be at most " + limits.sequences())
                    .asException();
        }
        return choices;
    }
}
