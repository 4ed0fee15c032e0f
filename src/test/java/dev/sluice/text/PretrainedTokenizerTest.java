package dev.sluice.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.util.Utils;
import dev.sluice.model.ModelFormatException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

class PretrainedTokenizerTest {

    private static final Path TOKENIZER = Path.of("src/main/resources/models/minimind2-small/tokenizer.json");
    private static final String BYTE_LEVEL =
            "{'type':'ByteLevel','add_prefix_space':false,'trim_offsets':true,'use_regex':false}";

    private static PretrainedTokenizer read(String field, String json) throws IOException {
        JsonMapper mapper = JsonMapper.shared();
        ObjectNode tokenizer = (ObjectNode) mapper.readTree(Files.readAllBytes(TOKENIZER));
        tokenizer.set(field, mapper.readTree(json.replace('\'', '"')));
        return PretrainedTokenizer.read(tokenizer.toString().getBytes(StandardCharsets.UTF_8));
    }

    private static String split(String pattern) {
        return "{'type':'Sequence','pretokenizers':[{'type':'Split','pattern':{'Regex':'"
                + pattern.replace("\\", "\\\\") + "'},'behavior':'Isolated','invert':false}," + BYTE_LEVEL + "]}";
    }

    @Test
    void theLibraryIsToldNotToReportItsUse() throws IOException {
        PretrainedTokenizer.read(Files.readAllBytes(TOKENIZER)).close();
        // What the library asks before it opens a connection, see Ec2Utils.callHome there.
        assertThat(Boolean.parseBoolean(Utils.getEnvOrSystemProperty("OPT_OUT_TRACKING")))
                .isTrue();
    }

    @Test
    void aPatternThatWouldEndTheProcessIsRefused() {
        assertThatThrownBy(() -> read("pre_tokenizer", split("(a+)+$")))
                .isInstanceOf(ModelFormatException.class)
                .hasMessage(
                        "tokenizer.json: pre_tokenizer.pretokenizers[0].pattern.Regex \"(a+)+$\" repeats what repeats"
                                + " itself or has alternatives: it could take too long on some texts, or end the process.");
    }

    @ParameterizedTest
    @CsvSource(quoteCharacter = '~', delimiter = '!', textBlock = """
                    {'type':'Replace','pattern':{'Regex':'(a|a)*b'},'content':''} ! normalizer.pattern.Regex "(a|a)*b"
                    {'type':'Replace','pattern':{'String':'a'},'content':'aaaaaaaaa'} ! grow more than 8-fold
                    {'type':'Replace','pattern':{'Regex':'a'},'content':'aaaaaaaa'} ! grow more than 8-fold
                    {'type':'Replace','pattern':{'String':''},'content':'a'} ! is empty
                    {'type':'Replace','pattern':{},'content':'a'} ! must have String or Regex
                    {'type':'Precompiled','precompiled_charsmap':''} ! is a normalizer that is not served
                    {'type':'Sequence','normalizers':[{'type':'ByteLevel'},{'type':'ByteLevel'},{'type':'ByteLevel'},{'type':'ByteLevel'},{'type':'ByteLevel'},{'type':'ByteLevel'},{'type':'ByteLevel'}]} ! normalizers[6] "ByteLevel" lets a text grow more than 64-fold
                    """)
    void normalizersThatAreNoDataAreRefused(String normalizer, String reason) {
        assertThatThrownBy(() -> read("normalizer", normalizer))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining(reason)
                .hasMessageStartingWith("tokenizer.json: normalizer");
    }

    @Test
    void aChainThatGrowsTextHundredfoldFiveTimesIsRefused() {
        String step = "{'type':'Replace','pattern':{'String':'a'},'content':'" + "a".repeat(100) + "'}";
        String chain = "{'type':'Sequence','normalizers':[" + String.join(",", step, step, step, step, step) + "]}";
        assertThatThrownBy(() -> read("normalizer", chain))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("normalizer.normalizers[0] \"Replace\" lets a text grow");
        String some = "{'type':'Replace','pattern':{'String':'a'},'content':'aaa'}";
        assertThatThrownBy(() -> read("normalizer", "{'type':'Sequence','normalizers':[" + some + "," + some + "]}"))
                .hasMessageContaining("normalizer.normalizers[1] \"Replace\" lets a text grow more than 8-fold");
    }

    @Test
    void aTemplateThatRepeatsTheTextIsRefused() {
        String text = "{'Sequence':{'id':'A','type_id':0}}";
        assertThatThrownBy(() -> read(
                        "post_processor",
                        "{'type':'TemplateProcessing','single':[" + text + "," + text
                                + "],'pair':[],'special_tokens':{}}"))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("post_processor must put the text once");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "null",
                "{'type':'NFC'}",
                "{'type':'Sequence','normalizers':[{'type':'NFKC'},{'type':'Lowercase'},"
                        + "{'type':'Replace','pattern':{'String':' '},'content':'\u2581'}]}",
                "{'type':'Sequence','normalizers':[{'type':'Prepend','prepend':'\u2581'},"
                        + "{'type':'Replace','pattern':{'String':' '},'content':'\u2581'}]}",
                "{'type':'Sequence','normalizers':[{'type':'Nmt'},{'type':'NFKC'},"
                        + "{'type':'Replace','pattern':{'Regex':' {2,}'},'content':' '}]}",
                "{'type':'Sequence','normalizers':[{'type':'NFD'},{'type':'StripAccents'},{'type':'Lowercase'}]}",
                "{'type':'Strip','strip_left':true,'strip_right':true}",
                "{'type':'BertNormalizer','clean_text':true,'handle_chinese_chars':true,'strip_accents':null,"
                        + "'lowercase':true}"
            })
    void normalizersOfRealTokenizersAreServed(String normalizer) throws IOException {
        try (PretrainedTokenizer tokenizer = read("normalizer", normalizer)) {
            assertThat(tokenizer.encode("Hello  world", false)).isNotEmpty();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'type':'Metaspace','replacement':'\u2581','prepend_scheme':'first','split':false}",
                "{'type':'Digits','individual_digits':true}",
                "{'type':'Punctuation','behavior':'Isolated'}",
                "{'type':'Whitespace'}"
            })
    void preTokenizersOfRealTokenizersAreServed(String step) throws IOException {
        String sequence = "{'type':'Sequence','pretokenizers':[" + step + "," + BYTE_LEVEL + "]}";
        try (PretrainedTokenizer tokenizer = read("pre_tokenizer", sequence)) {
            assertThat(tokenizer.encode("Hello, 12 worlds", false)).isNotEmpty();
        }
    }

    @Test
    void whereRunsCostTheirSquareTheyAreBounded() throws IOException {
        try (PretrainedTokenizer tokenizer = read("pre_tokenizer", split("\\s+$"))) {
            assertThat(tokenizer.encode((" ".repeat(512) + "x").repeat(100), false))
                    .isNotEmpty();
            for (String unit : new String[] {" ", "\n\t", "\u00a0", "7", "\u00b2", "\u2167", "\ud835\udfce"}) {
                assertThatThrownBy(() -> tokenizer.encode(unit.repeat(513) + "x", false))
                        .isInstanceOf(UnencodableTextException.class)
                        .hasMessageContaining("more than 512 white space characters or digits in a row");
            }
        }
        try (PretrainedTokenizer tokenizer = PretrainedTokenizer.read(Files.readAllBytes(TOKENIZER))) {
            assertThat(tokenizer.encode(" ".repeat(100_000) + "x", false)).isNotEmpty();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'type':'Replace','pattern':{'String':'a'},'content':''}",
                "{'type':'Replace','pattern':{'String':'a'},'content':' '}",
                "{'type':'Replace','pattern':{'String':'a'},'content':'7'}",
                "{'type':'Sequence','normalizers':[{'type':'NFKC'},{'type':'StripAccents'}]}",
                "{'type':'BertNormalizer','clean_text':true,'handle_chinese_chars':true,'strip_accents':null,"
                        + "'lowercase':true}",
                "{'type':'Nmt'}"
            })
    void noNormalizerMakesRunsLongerThanTheyWereMeasured(String normalizer) {
        String both = "{'type':'Sequence','normalizers':[" + normalizer
                + ",{'type':'Replace','pattern':{'Regex':'\\\\s+$'},'content':'x'}]}";
        assertThatThrownBy(() -> read("normalizer", both))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining(
                        "needs short runs of white space and digits, which the normalizer may make longer");
    }

    @Test
    void closingWaitsForWhoeverEncodes() throws IOException {
        for (int i = 0; i < 20; i++) {
            PretrainedTokenizer tokenizer = PretrainedTokenizer.read(Files.readAllBytes(TOKENIZER));
            CompletableFuture<Void> encoding = CompletableFuture.runAsync(() -> {
                while (tokenizer.encode("some text to be encoded", false).length > 0) {
                    Thread.onSpinWait();
                }
            });
            tokenizer.close();
            assertThatThrownBy(encoding::join).hasMessageContaining("the tokenizer is closed");
            assertThatCode(tokenizer::close).doesNotThrowAnyException();
        }
    }
}
