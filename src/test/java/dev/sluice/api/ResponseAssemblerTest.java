package dev.sluice.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.api.wire.Usage;
import dev.sluice.request.FailureKind;
import dev.sluice.request.FinishReason;
import dev.sluice.request.PrefillRecord;
import dev.sluice.request.TokenEvent;
import dev.sluice.request.TokenLogprobs;
import dev.sluice.request.TokensByTier;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** From the events of sequences to the JSON of an answer, part by part. */
class ResponseAssemblerTest {

    private static final String CHUNK =
            "{'id':'c1','object':'chat.completion.chunk','created':1700,'model':'m','system_fingerprint':'f','choices':[";
    private static final String TEXT =
            "{'id':'c1','object':'text_completion','created':1700,'model':'m','system_fingerprint':'f','choices':[";

    private final Calls setup = new Calls();
    private final List<Integer> cancelled = new ArrayList<>();
    private final List<Usage> usages = new ArrayList<>();

    private ResponseAssembler answer() {
        GenerationCall call = setup.call();
        LogprobsFormat scores = new LogprobsFormat(Calls.BYTES);
        ResponseShape format = call.chat()
                ? new ChatFormat("c1", 1700, call, "f", scores)
                : new CompletionFormat("c1", 1700, call, "f", scores);
        return new ResponseAssembler(call, format, Calls.BYTES, cancelled::add, bytes -> {}, usages::add);
    }

    private static String json(Object part) {
        return new String(ApiJson.bytes(part), StandardCharsets.UTF_8).replace('"', '\'');
    }

    private static List<String> accept(ResponseAssembler answer, int index, TokenEvent event) {
        return answer.accept(index, event).stream()
                .map(ResponseAssemblerTest::json)
                .toList();
    }

    /** The text of the tokens is ASCII, so each letter is a token. */
    private static List<String> say(ResponseAssembler answer, int index, String text) {
        List<String> parts = new ArrayList<>();
        for (char letter : text.toCharArray()) {
            parts.addAll(accept(answer, index, new TokenEvent.Token(letter, null)));
        }
        return parts;
    }

    private static List<String> end(ResponseAssembler answer, int index, FinishReason reason) {
        return accept(answer, index, new TokenEvent.Finished(reason, -1));
    }

    private static String role(int index) {
        return CHUNK + "{'index':" + index
                + ",'delta':{'role':'assistant','content':''},'logprobs':null,'finish_reason':null}]}";
    }

    private static String delta(int index, String text) {
        return CHUNK + "{'index':" + index + ",'delta':{'content':'" + text
                + "'},'logprobs':null,'finish_reason':null}]}";
    }

    private static String finish(int index, String reason) {
        return CHUNK + "{'index':" + index + ",'delta':{},'logprobs':null,'finish_reason':'" + reason + "'}]}";
    }

    private static String usage(int prompt, int completion, int device, int host, int storage) {
        return "'usage':" + json(counts(prompt, completion, device, host, storage));
    }

    private static Usage counts(int prompt, int completion, int device, int host, int storage) {
        return Usage.of(
                prompt, completion, new TokensByTier(Map.of("device", device, "host", host, "storage", storage)));
    }

    @Test
    void aChatStreamOpensSpeaksAndEnds() {
        setup.includeUsage = true;
        ResponseAssembler answer = answer();
        assertThat(accept(answer, 0, new TokenEvent.Prefilled(new PrefillRecord(5, 1, 2))))
                .isEmpty();
        assertThat(say(answer, 0, "a")).containsExactly(role(0), delta(0, "a"));
        assertThat(say(answer, 0, "b")).containsExactly(delta(0, "b"));
        assertThat(answer.isComplete()).isFalse();
        assertThat(usages).isEmpty();
        assertThat(end(answer, 0, FinishReason.LENGTH))
                .containsExactly(finish(0, "length"), CHUNK + "]," + usage(5, 2, 1, 2, 0) + "}");
        assertThat(answer.isComplete()).isTrue();
        assertThat(usages).containsExactly(counts(5, 2, 1, 2, 0));
        assertThat(cancelled).isEmpty();
    }

    @Test
    void usageNamesEachTierAndTheirSum() {
        assertThat(json(counts(50, 7, 16, 8, 4)))
                .isEqualTo("{'prompt_tokens':50,'completion_tokens':7,'total_tokens':57,"
                        + "'prompt_tokens_details':{'cached_tokens':28,"
                        + "'cached_tokens_details':{'device':16,'host':8,'storage':4}},"
                        + "'completion_tokens_details':{'reasoning_tokens':0}}");
        assertThat(json(Usage.of(50, 7, TokensByTier.of("remote", 16))))
                .as("a tier of which the API does not know")
                .contains("'cached_tokens':16,'cached_tokens_details':{'device':0,'host':0,'storage':0,'remote':16}");
    }

    @Test
    void withoutBeingAskedAStreamHasNoUsage() {
        ResponseAssembler answer = answer();
        say(answer, 0, "a");
        assertThat(end(answer, 0, FinishReason.STOP)).containsExactly(finish(0, "stop"));
        assertThat(usages).hasSize(1);
    }

    @Test
    void continuousUsageIsInEveryPart() {
        setup.continuousUsage = true;
        setup.includeUsage = true;
        ResponseAssembler answer = answer();
        assertThat(say(answer, 0, "ab")).allMatch(part -> part.contains("'usage':{'prompt_tokens':5"));
        assertThat(end(answer, 0, FinishReason.STOP).getFirst()).contains("'completion_tokens':2");
    }

    @Test
    void aChoiceEndsInTheStreamOnceEveryChoiceHasBegun() {
        setup.choices = 3;
        ResponseAssembler answer = answer();
        say(answer, 0, "a");
        assertThat(end(answer, 0, FinishReason.STOP)).isEmpty();
        assertThat(end(answer, 2, FinishReason.LENGTH)).as("without a token").containsExactly(role(2));
        assertThat(say(answer, 1, "b")).containsExactly(role(1), finish(0, "stop"), finish(2, "length"), delta(1, "b"));
        assertThat(say(answer, 1, "c")).containsExactly(delta(1, "c"));
        assertThat(end(answer, 1, FinishReason.STOP)).containsExactly(finish(1, "stop"));
        assertThat(usages).containsExactly(counts(5, 3, 0, 0, 0));
    }

    @Test
    void cachedTokensAreThoseOfEveryPromptOnce() {
        setup.prompts = 2;
        setup.choices = 2;
        setup.stream = false;
        ResponseAssembler answer = answer();
        for (int index = 0; index < 4; index++) {
            // Of each pair, only the record of the first counts: the second finds what the first one computed.
            accept(
                    answer,
                    index,
                    new TokenEvent.Prefilled(
                            new PrefillRecord(5, index + 1, TokensByTier.of(index == 2 ? "storage" : "host", 1))));
            end(answer, index, FinishReason.STOP);
        }
        assertThat(usages).containsExactly(counts(10, 0, 1 + 3, 1, 1));
    }

    @Test
    void aStopStringIsCutAndEndsTheSequence() {
        setup.stop = List.of("cd");
        ResponseAssembler answer = answer();
        assertThat(say(answer, 0, "abc")).containsExactly(role(0), delta(0, "a"), delta(0, "b"));
        assertThat(say(answer, 0, "d")).containsExactly(finish(0, "stop"));
        assertThat(cancelled).containsExactly(0);
        assertThat(say(answer, 0, "cd")).as("what was under way").isEmpty();
        assertThat(end(answer, 0, FinishReason.STOP)).isEmpty();
        assertThat(accept(answer, 0, new TokenEvent.Failed(FailureKind.INTERNAL, "late")))
                .isEmpty();
        assertThat(cancelled).hasSize(1);
        assertThat(usages).as("the tokens up to the stop string").containsExactly(counts(5, 4, 0, 0, 0));
    }

    @Test
    void whatIsHeldBackComesOutAtTheEnd() {
        setup.stop = List.of("cd");
        ResponseAssembler answer = answer();
        say(answer, 0, "ac");
        accept(answer, 0, new TokenEvent.Token(0xC3, null)); // half a character
        assertThat(end(answer, 0, FinishReason.LENGTH)).containsExactly(delta(0, "c\uFFFD"), finish(0, "length"));
    }

    @Test
    void aHeldBackBeginOfAStopStringComesOutAtTheEnd() {
        setup.stop = List.of("cd");
        ResponseAssembler answer = answer();
        assertThat(say(answer, 0, "ac")).containsExactly(role(0), delta(0, "a"));
        assertThat(end(answer, 0, FinishReason.LENGTH)).containsExactly(delta(0, "c"), finish(0, "length"));
        assertThat(cancelled).isEmpty();
    }

    @Test
    void aFailureIsTheAnswer() {
        ResponseAssembler answer = answer();
        assertThat(status(answer, FailureKind.DEADLINE)).isEqualTo(408);
        say(answer, 0, "a");
        assertThat(status(answer, FailureKind.DEADLINE))
                .as("after its first token")
                .isEqualTo(504);
    }

    private static int status(ResponseAssembler answer, FailureKind kind) {
        try {
            answer.accept(0, new TokenEvent.Failed(kind, "no"));
            return 200;
        } catch (ApiException e) {
            return e.error().status();
        }
    }

    @Test
    void aWholeChatAnswerHasEveryChoice() {
        setup.stream = false;
        setup.choices = 2;
        ResponseAssembler answer = answer();
        assertThat(say(answer, 1, "no")).allMatch(part -> part.contains("'role'"));
        say(answer, 0, "yes");
        assertThatThrownBy(answer::whole).hasMessageContaining("not complete");
        end(answer, 1, FinishReason.LENGTH);
        accept(answer, 0, new TokenEvent.Finished(FinishReason.STOP, 7));
        assertThat(json(answer.whole()))
                .isEqualTo("{'id':'c1','object':'chat.completion','created':1700,'model':'m','choices':["
                        + "{'index':0,'message':{'role':'assistant','content':'yes','refusal':null},'logprobs':null,"
                        + "'finish_reason':'stop','stop_reason':7},"
                        + "{'index':1,'message':{'role':'assistant','content':'no','refusal':null},'logprobs':null,"
                        + "'finish_reason':'length','stop_reason':null}],"
                        + usage(5, 5, 0, 0, 0) + ",'system_fingerprint':'f'}");
    }

    @Test
    void aCompletionsStreamBeginsWithItsEcho() {
        setup.chat = false;
        setup.prompts = 2;
        setup.echoes = List.of("One", "");
        setup.includeUsage = true;
        ResponseAssembler answer = answer();
        assertThat(say(answer, 0, "a"))
                .containsExactly(
                        TEXT + "{'index':0,'text':'One','logprobs':null,'finish_reason':null}]}",
                        TEXT + "{'index':0,'text':'a','logprobs':null,'finish_reason':null}]}");
        assertThat(say(answer, 1, "b"))
                .containsExactly(TEXT + "{'index':1,'text':'b','logprobs':null,'finish_reason':null}]}");
        assertThat(accept(answer, 0, new TokenEvent.Finished(FinishReason.STOP, 0)))
                .containsExactly(
                        TEXT + "{'index':0,'text':'','logprobs':null,'finish_reason':'stop','stop_reason':0}]}");
        assertThat(end(answer, 1, FinishReason.STOP))
                .containsExactly(
                        TEXT + "{'index':1,'text':'','logprobs':null,'finish_reason':'stop'}]}",
                        TEXT + "]," + usage(10, 2, 0, 0, 0) + "}");
    }

    @Test
    void aWholeCompletionHasEchoAndText() {
        setup.chat = false;
        setup.stream = false;
        setup.choices = 2;
        setup.prompts = 2;
        setup.echoes = List.of("One", "Two");
        ResponseAssembler answer = answer();
        for (int index = 0; index < 4; index++) {
            say(answer, index, String.valueOf(index));
            end(answer, index, FinishReason.LENGTH);
        }
        assertThat(json(answer.whole()))
                .isEqualTo(TEXT + "{'index':0,'text':'One0','logprobs':null,'finish_reason':'length'},"
                        + "{'index':1,'text':'One1','logprobs':null,'finish_reason':'length'},"
                        + "{'index':2,'text':'Two2','logprobs':null,'finish_reason':'length'},"
                        + "{'index':3,'text':'Two3','logprobs':null,'finish_reason':'length'}],"
                        + usage(10, 4, 0, 0, 0) + "}");
    }

    private static TokenEvent.Token scored(int id, float logprob, int[] ids, float... values) {
        return new TokenEvent.Token(id, new TokenLogprobs(logprob, ids, values));
    }

    @Test
    void chatLogprobsComeWithTheirText() {
        setup.logprobs = true;
        ResponseAssembler answer = answer();
        List<String> first =
                accept(answer, 0, scored('a', -0.5f, new int[] {'a', 'b'}, -0.5f, Float.NEGATIVE_INFINITY));
        assertThat(first.getLast())
                .contains("'delta':{'content':'a'},'logprobs':{'content':[{'token':'a','logprob':-0.5,'bytes':[97],"
                        + "'top_logprobs':[{'token':'a','logprob':-0.5,'bytes':[97]},"
                        + "{'token':'b','logprob':-9999.0,'bytes':[98]}]}],'refusal':null}");
        assertThat(accept(answer, 0, scored(0xC3, -1, new int[0])))
                .as("half a character")
                .isEmpty();
        assertThat(accept(answer, 0, scored(0xA4, -2, new int[0])).getLast())
                .contains(
                        "'content':'ä'}",
                        "{'token':'\uFFFD','logprob':-1.0,'bytes':[195],'top_logprobs':[]},"
                                + "{'token':'\uFFFD','logprob':-2.0,'bytes':[164],'top_logprobs':[]}");
        accept(answer, 0, scored(Calls.END, -3, new int[0]));
        assertThat(end(answer, 0, FinishReason.STOP).getFirst())
                .as("a token without text has logprobs all the same")
                .contains("'delta':{'content':''}", "'token':'<end>','logprob':-3.0");
    }

    @Test
    void completionLogprobsAreColumnsWithOffsetsIntoTheText() {
        setup.chat = false;
        setup.logprobs = true;
        setup.prompts = 2;
        ResponseAssembler answer = answer();
        assertThat(accept(answer, 0, scored('a', -0.5f, new int[] {'b', 'c'}, -0.25f, -1))
                        .getLast())
                .contains("'logprobs':{'tokens':['a'],'token_logprobs':[-0.5],"
                        + "'top_logprobs':[{'b':-0.25,'c':-1.0,'a':-0.5}],'text_offset':[0]}");
        assertThat(accept(answer, 0, scored('d', -2, new int[] {'d'}, -2)).getLast())
                .contains("'tokens':['d'],'token_logprobs':[-2.0],'top_logprobs':[{'d':-2.0}],'text_offset':[1]");
        assertThat(accept(answer, 1, scored('e', -2, new int[0])).getLast()).contains("'text_offset':[0]");
    }

    @Test
    void offsetsOfAWholeCompletionBeginAtItsText() {
        setup.chat = false;
        setup.logprobs = true;
        setup.stream = false;
        setup.skipSpecialTokens = false;
        ResponseAssembler answer = answer();
        accept(answer, 0, scored(Calls.END, -1, new int[0]));
        accept(answer, 0, scored('a', -1, new int[] {0xFF, 0xFE}, -3, -4)); // two ids with one text: the better one
        end(answer, 0, FinishReason.LENGTH);
        assertThat(json(answer.whole())).contains("'text':'<end>a'", "'text_offset':[0,5]", "{'\uFFFD':-3.0,'a':-1.0}");
    }

    @Test
    void controlTokensAreLeftOutUnlessAskedFor() {
        assertThat(accept(answer(), 0, new TokenEvent.Token(Calls.END, null))).containsExactly(role(0));
        setup.skipSpecialTokens = false;
        assertThat(accept(answer(), 0, new TokenEvent.Token(Calls.END, null)))
                .containsExactly(role(0), delta(0, "<end>"));
    }

    @Test
    void aStopStringIsKeptIfAskedFor() {
        setup.stop = List.of("b");
        setup.includeStop = true;
        ResponseAssembler answer = answer();
        assertThat(say(answer, 0, "ab")).contains(delta(0, "b"), finish(0, "stop"));
    }
}
