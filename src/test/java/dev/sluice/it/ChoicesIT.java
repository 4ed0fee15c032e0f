package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** Several choices and prompts in one call: what each draws, what is counted, and when each ends. */
class ChoicesIT {

    /** No control token is drawn and none ends an answer, so that there is always something to compare. */
    private static final String ALWAYS_TEXT = "\"ignore_eos\":true,\"logit_bias\":{\"0\":-100,\"1\":-100,\"2\":-100}";

    private static RunningServer server;

    @BeforeAll
    static void start() {
        server = new RunningServer();
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    private static JsonNode complete(String fields) {
        return RunningServer.json(server.post("/v1/completions", "{" + fields + "," + ALWAYS_TEXT + "}")
                .body());
    }

    private static String drawn(long seed) {
        return text(
                complete("\"prompt\":\"Once upon a time\",\"max_tokens\":12,\"temperature\":1,\"seed\":" + seed), 0);
    }

    private static String text(JsonNode answer, int choice) {
        return answer.at("/choices/" + choice + "/text").asString();
    }

    @Test
    void aSeedReproducesAnAnswer() {
        List<String> answers = new ArrayList<>();
        for (long seed : new long[] {42, 43, 44, -1, Long.MAX_VALUE}) {
            String answer = drawn(seed);
            assertThat(answer).isNotBlank();
            assertThat(drawn(seed)).isEqualTo(answer);
            answers.add(answer);
        }
        assertThat(answers).doesNotHaveDuplicates();
    }

    @Test
    void withoutASeedAnswersDiffer() {
        List<String> answers = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            answers.add(text(complete("\"prompt\":\"Once upon a time\",\"max_tokens\":12,\"temperature\":1"), 0));
        }
        assertThat(answers).doesNotHaveDuplicates();
    }

    @Test
    void eachChoiceDrawsFromASeedOfItsOwn() {
        JsonNode answer = complete("\"prompt\":[\"Once upon a time\",\"Once upon a time\"],\"n\":3,\"max_tokens\":12,"
                + "\"temperature\":1,\"seed\":70");
        List<String> texts = new ArrayList<>();
        for (int choice = 0; choice < 6; choice++) {
            texts.add(text(answer, choice));
        }
        List<String> alone = List.of(drawn(70), drawn(71), drawn(72));
        assertThat(texts.subList(0, 3)).isEqualTo(alone).doesNotHaveDuplicates();
        assertThat(texts.subList(3, 6)).isEqualTo(alone);
    }

    @Test
    void cachedTokensAreThoseOfEveryPromptOnce() {
        String sea = "\"" + "The sea is wide and deep and full of fish. ".repeat(4) + "\"";
        String sun = "\"" + "The sun rises in the east every single day of the year. ".repeat(7) + "\"";
        int seaTokens = usage("[" + sea + "]", 1, "/prompt_tokens");
        int sunTokens = usage("[" + sun + "]", 1, "/prompt_tokens");
        int seaCached = usage("[" + sea + "]", 1, "/prompt_tokens_details/cached_tokens");
        int sunCached = usage("[" + sun + "]", 1, "/prompt_tokens_details/cached_tokens");
        assertThat(seaCached).isGreaterThanOrEqualTo(32).isEqualTo((seaTokens - 1) / 16 * 16);
        assertThat(sunCached).isGreaterThan(seaCached).isEqualTo((sunTokens - 1) / 16 * 16);
        for (int choices : new int[] {1, 2, 5}) {
            for (String prompts : List.of("[" + sea + "," + sun + "]", "[" + sun + "," + sea + "]")) {
                JsonNode usage = complete(
                                "\"prompt\":" + prompts + ",\"max_tokens\":2,\"temperature\":0,\"n\":" + choices)
                        .at("/usage");
                assertThat(usage.at("/prompt_tokens").intValue()).isEqualTo(seaTokens + sunTokens);
                assertThat(usage.at("/prompt_tokens_details/cached_tokens").intValue())
                        .isEqualTo(seaCached + sunCached);
                assertThat(usage.at("/prompt_tokens_details/cached_tokens_details/device")
                                .intValue())
                        .isEqualTo(seaCached + sunCached);
                assertThat(usage.at("/completion_tokens").intValue()).isEqualTo(2 * 2 * choices);
            }
        }
    }

    private static int usage(String prompts, int choices, String pointer) {
        return complete("\"prompt\":" + prompts + ",\"max_tokens\":2,\"temperature\":0,\"n\":" + choices)
                .at("/usage" + pointer)
                .intValue();
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aStopStringEndsTheWorkAndNotOnlyTheText(boolean stream) {
        String plain = text(complete("\"prompt\":\"The capital of\",\"max_tokens\":40,\"temperature\":0"), 0);
        String stop = plain.substring(plain.length() / 2, plain.length() / 2 + 6);
        double generated = server.metric("vllm:generation_tokens_total", "");
        double stopped = server.metric("vllm:request_success_total", "stop");
        server.post(
                "/v1/completions",
                "{\"prompt\":\"The capital of\",\"max_tokens\":3000,\"temperature\":0,\"stop\":\"" + stop
                        + "\",\"stream\":" + stream + "," + ALWAYS_TEXT + "}");
        RunningServer.await(() -> server.metric("vllm:num_requests_running", "") == 0);
        assertThat(server.metric("vllm:request_success_total", "stop")).isEqualTo(stopped + 1);
        assertThat(server.metric("vllm:generation_tokens_total", "") - generated)
                .isLessThan(200); // a few steps go on until the word is there
    }

    @Test
    void aChoiceThatHasFoundItsStopStringLeavesTheOthersRunning() {
        String alone = drawn(70);
        String stop = alone.strip().substring(0, 3);
        JsonNode answer = complete(
                "\"prompt\":\"Once upon a time\",\"n\":3,\"max_tokens\":12,\"temperature\":1," + "\"seed\":70,\"stop\":"
                        + tools.jackson.databind.json.JsonMapper.shared().writeValueAsString(stop));
        assertThat(answer.at("/choices/0/finish_reason").asString()).isEqualTo("stop");
        assertThat(text(answer, 0)).doesNotContain(stop);
        for (int choice = 1; choice < 3; choice++) {
            String whole = drawn(70 + choice);
            int cut = whole.indexOf(stop);
            assertThat(text(answer, choice)).isEqualTo(cut < 0 ? whole : whole.substring(0, cut));
        }
    }
}
