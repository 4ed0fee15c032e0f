package dev.sluice.api;

import dev.sluice.request.SamplingParams;
import dev.sluice.text.ChatTemplateException;
import dev.sluice.text.PromptEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * Turns request bodies into {@link GenerationCall}s. After this nobody looks at JSON again, and nobody doubts a value
 * again. Takes CPU time (templates, tokenizing), so it runs on the tokenizer's threads.
 */
final class CallReader {

    private static final int COMPLETION_TOKENS = 16; // the default of the completions endpoint

    private final ServedModel model;
    private final PromptEncoder encoder;
    private final RequestLimits limits;
    private final SamplingReader sampling;

    CallReader(ServedModel model, PromptEncoder encoder, RequestLimits limits, LongSupplier seeds) {
        this.model = model;
        this.encoder = encoder;
        this.limits = limits;
        sampling = new SamplingReader(model, seeds);
    }

    GenerationCall chat(byte[] body) {
        Fields fields = JsonBody.parse(body);
        UnsupportedFields.check(fields);
        String name = modelName(fields);
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
        List<String> stops = SamplingReader.stops(fields);
        StreamOptions stream = StreamOptions.read(fields);
        int[] prompt = chatPrompt(fields);
        Integer most = limit == null ? null : limit.intValue();
        AnswerSize size = new AnswerSize(choices, logprobs ? top : -1, stream.stream(), 0, limits.answerBytes());
        sampling.lengths(fields, builder, prompt.length, most, "messages", size);
        return call(true, name, List.of(prompt), builder, choices, stops, List.of(), stream, size, most, fields);
    }

    /** Renders and encodes the conversation of a chat or tokenize call. */
    int[] chatPrompt(Fields fields) {
        ChatMessages messages = ChatMessages.read(fields);
        checkSize("messages", messages.textBytes());
        try {
            return encoder.encodeChat(messages.messages(), messages.variables());
        } catch (ChatTemplateException e) {
            String message = String.valueOf(e.getMessage());
            throw (e.clientFault()
                            ? ApiError.invalid("messages", "chat_template_error", message)
                            : ApiError.of(500, "server_error", "chat_template_error", message))
                    .asException();
        }
    }

    GenerationCall completion(byte[] body) {
        Fields fields = JsonBody.parse(body);
        UnsupportedFields.check(fields);
        if (fields.has("suffix")) {
            throw ApiError.unsupported("suffix", "suffix is not supported by this model")
                    .asException();
        }
        String name = modelName(fields);
        SamplingParams.Builder builder = sampling.read(fields);
        int top = fields.integer("logprobs", -1, 0, 20);
        builder.logprobs(top);
        StreamOptions stream = StreamOptions.read(fields);
        List<String> stops = SamplingReader.stops(fields);
        boolean echo = fields.flag("echo", false);
        if (echo && top >= 0) {
            throw ApiError.unsupported("echo", "echo together with logprobs is not supported")
                    .asException();
        }
        List<String> echoes = new ArrayList<>();
        List<int[]> prompts = prompts(fields, echo ? echoes : null);
        int choices = choices(fields, prompts.size());
        int longest = prompts.stream().mapToInt(prompt -> prompt.length).max().orElse(0);
        Long limit = fields.integer("max_tokens", 1, Integer.MAX_VALUE);
        long echoed = (long) choices * echoes.stream().mapToLong(String::length).sum();
        AnswerSize size = new AnswerSize(prompts.size() * choices, top, stream.stream(), echoed, limits.answerBytes());
        int otherwise = Math.clamp(Math.min(size.tokensMax(), model.contextLength() - longest), 1, COMPLETION_TOKENS);
        Integer most = limit == null ? Integer.valueOf(otherwise) : limit.intValue();
        sampling.lengths(fields, builder, longest, most, "prompt", size);
        return call(false, name, prompts, builder, choices, stops, echoes, stream, size, most, fields);
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

    /** The served model's name as the caller wrote it; absent means the one that is served. */
    String modelName(Fields fields) {
        String name = fields.text("model", 1 << 20);
        if (name == null) {
            return model.name();
        }
        if (!model.names().contains(name)) {
            throw ApiError.modelNotFound(name).asException();
        }
        return name;
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

    /** One text, one list of ids, or a list of either; {@code echoes} collects their texts if given. */
    private List<int[]> prompts(Fields fields, @Nullable List<String> echoes) {
        if (!fields.has("prompt")) {
            throw fields.missing("prompt");
        }
        JsonNode node = fields.get("prompt");
        boolean special = fields.flag("add_special_tokens", true);
        List<int[]> prompts = new ArrayList<>();
        if (node.isString()) {
            prompts.add(encoded(node, special));
        } else if (node.isArray() && !node.isEmpty() && node.get(0).isNumber()) {
            prompts.add(ids(node));
        } else if (node.isArray() && !node.isEmpty()) {
            if (node.size() > limits.prompts()) {
                throw ApiError.invalidValue("prompt", "may have at most " + limits.prompts() + " elements")
                        .asException();
            }
            boolean texts = node.get(0).isString();
            for (JsonNode item : node) {
                prompts.add(texts ? encoded(item, special) : ids(item));
            }
        } else {
            throw fields.wrongType("prompt", "a string, a list of token ids, or a list of these, and not empty");
        }
        if (echoes != null) {
            prompts.forEach(ids -> echoes.add(encoder.tokenizer().decode(ids, true)));
        }
        return prompts;
    }

    private int[] encoded(JsonNode item, boolean special) {
        String text = Fields.textAt(item, "prompt", limits.bodyBytes());
        checkSize("prompt", text.getBytes(StandardCharsets.UTF_8).length);
        int[] ids = encoder.encodeText(text, special);
        if (text.isEmpty() || ids.length == 0) {
            throw ApiError.invalidValue("prompt", "must not be empty").asException();
        }
        return ids;
    }

    private int[] ids(JsonNode list) {
        if (!list.isArray() || list.isEmpty()) {
            throw ApiError.invalidValue("prompt", "must hold token ids, and not be empty")
                    .asException();
        }
        int[] ids = new int[list.size()];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = (int) Fields.integerAt(list.get(i), "prompt", 0, model.vocabularySize() - 1L);
        }
        return ids;
    }

    /** Refuses by its length alone what cannot fit however it is tokenized. */
    private void checkSize(String param, long bytes) {
        if (bytes > (long) encoder.tokenizer().longestTokenBytes() * model.contextLength()) {
            throw ApiError.invalid(
                            param,
                            "context_length_exceeded",
                            "This model's maximum context length is " + model.contextLength() + " tokens; " + bytes
                                    + " bytes of text cannot fit.")
                    .asException();
        }
    }
}
