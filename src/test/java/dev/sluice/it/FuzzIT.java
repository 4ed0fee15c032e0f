package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.scheduler.ContinuousBatchingScheduler;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Valid calls that use every field, mutated by structure and by bytes. Whatever comes, the
 * answer is a result or an error of the client's, and nobody else notices. The seeds are fixed; what once went wrong
 * becomes a test of its own.
 */
class FuzzIT {

    private static final int THREADS = 4;
    private static final int CALLS = 400;

    private static final Map<String, String> VALID = Map.of(
            "/v1/chat/completions",
            """
            {"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"Hi"}]}],
             "temperature":0.7,"top_p":0.9,"top_k":5,"min_p":0.1,"max_tokens":4,"min_tokens":1,"n":2,"stop":["x","yy"],
             "stop_token_ids":[5],"seed":3,"logprobs":true,"top_logprobs":2,"logit_bias":{"5":1.5},"presence_penalty":0.1,
             "frequency_penalty":0.1,"repetition_penalty":1.1,"ignore_eos":true,"stream":false,"user":"u","priority":1,
             "cache_salt":"s","kv_transfer_params":{"max_offload_tokens":16},"skip_special_tokens":true,
             "include_stop_str_in_output":false,"response_format":{"type":"text"},"metadata":{"a":"b"}}""",
            "/v1/completions",
            """
            {"prompt":["Hello","a b"],"max_tokens":3,"temperature":0.5,"n":1,"echo":true,"logprobs":2,"stream":true,
             "stream_options":{"include_usage":true,"continuous_usage_stats":true}}""",
            "/tokenize",
            "{\"prompt\":\"Hello\",\"add_special_tokens\":true,\"return_token_strs\":true}",
            "/detokenize",
            "{\"tokens\":[1,2,3]}");

    private static final List<String> NASTY = List.of(
            "null",
            "true",
            "0",
            "-1",
            "1e308",
            "1.5",
            "2147483648",
            "9223372036854775808",
            "-9223372036854775808",
            "1" + "0".repeat(40),
            "\"\"",
            "\"\\u0000\"",
            "\"\\ud800\"",
            "\"NaN\"",
            "\"" + "a".repeat(2000) + "\"",
            "[]",
            "[[]]",
            "{}",
            "[null]",
            "{\"type\":\"json_object\"}",
            "{\"5\":1e39}",
            "{\"-1\":0}");

    @Test
    void whateverComesIsAnsweredAndHarmsNobody() throws Exception {
        try (RunningServer server = new RunningServer("--sluice.executor.type=simulator")) {
            String probe = "{\"prompt\":\"Hello\",\"max_tokens\":8,\"temperature\":0}";
            String before = choices(server.post("/v1/completions", probe));
            List<Callable<List<String>>> clients = new ArrayList<>();
            for (int seed = 0; seed < THREADS; seed++) {
                Random random = new Random(seed * 7919L);
                clients.add(() -> attack(server, random));
            }
            List<String> wrong = new ArrayList<>();
            try (ExecutorService threads = Executors.newFixedThreadPool(THREADS)) {
                for (Future<List<String>> client : threads.invokeAll(clients)) {
                    wrong.addAll(client.get());
                }
            }
            assertThat(wrong).isEmpty();
            assertThat(choices(server.post("/v1/completions", probe))).isEqualTo(before);
            RunningServer.await(() ->
                    server.bean(ContinuousBatchingScheduler.class).snapshot().blocksUsed() == 0);
            server.checkThatSourcesAddUp();
        }
    }

    private static String choices(HttpResponse<String> response) {
        assertThat(response.statusCode()).isEqualTo(200);
        return RunningServer.json(response.body()).get("choices").toString();
    }

    private static List<String> attack(RunningServer server, Random random) {
        List<String> wrong = new ArrayList<>();
        List<String> paths = VALID.keySet().stream().sorted().toList();
        for (int i = 0; i < CALLS; i++) {
            String path = paths.get(random.nextInt(paths.size()));
            JsonNode mutated = mutate(JsonMapper.shared().readTree(VALID.get(path)), random);
            byte[] body = mutated.toString().getBytes(StandardCharsets.UTF_8);
            if (random.nextInt(6) == 0) {
                body = scramble(body, random);
            }
            HttpResponse<String> answer = server.send(HttpRequest.newBuilder(URI.create(server.base + path))
                    .header("Content-Type", "application/json")
                    .POST(BodyPublishers.ofByteArray(body))
                    .build());
            boolean refused = answer.statusCode() >= 400 && answer.statusCode() < 500;
            boolean shaped = refused
                    ? RunningServer.json(answer.body()).at("/error/message").isString()
                    : answer.statusCode() == 200;
            if (!shaped || answer.body().contains("Exception") || answer.body().contains("dev.sluice")) {
                wrong.add(path + " " + answer.statusCode() + " " + answer.body() + "\n  for "
                        + new String(body, StandardCharsets.UTF_8));
            }
        }
        return wrong;
    }

    /** Drops, doubles, adds, retypes and enlarges nodes. */
    private static JsonNode mutate(JsonNode node, Random random) {
        if (random.nextInt(8) == 0) {
            return JsonMapper.shared().readTree(NASTY.get(random.nextInt(NASTY.size())));
        }
        if (node instanceof ObjectNode object) {
            ObjectNode copy = JsonNodeFactory.instance.objectNode();
            object.properties().forEach(field -> {
                if (random.nextInt(20) != 0) {
                    copy.set(field.getKey(), mutate(field.getValue(), random));
                }
            });
            if (random.nextInt(20) == 0) {
                copy.put(List.of("@class", "__proto__", "prompt_embeds", "n").get(random.nextInt(4)), "x");
            }
            return copy;
        }
        if (node instanceof ArrayNode array) {
            ArrayNode copy = JsonNodeFactory.instance.arrayNode();
            int times = random.nextInt(10) == 0 ? random.nextInt(12) : 1;
            for (int i = 0; i < times; i++) {
                array.forEach(element -> copy.add(mutate(element, random)));
            }
            return copy;
        }
        return node;
    }

    private static byte[] scramble(byte[] body, Random random) {
        if (body.length < 2) {
            return body;
        }
        byte[] copy = body.clone();
        for (int i = random.nextInt(4); i >= 0; i--) {
            copy[random.nextInt(copy.length)] = (byte) random.nextInt(256);
        }
        return random.nextBoolean() ? copy : Arrays.copyOf(copy, 1 + random.nextInt(copy.length - 1));
    }
}
