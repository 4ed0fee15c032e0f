package dev.sluice.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Bodies are strict UTF-8 everywhere, in names and in what nobody reads too, and leave nothing behind. */
class JsonBodyTest {

    /** Bytes that are no UTF-8, in hexadecimal. */
    static Stream<String> broken() {
        return Stream.of(
                "c0af",
                "c1bf",
                "e080af",
                "e09fbf",
                "f08080af",
                "f08fbfbf", // overlong
                "eda080",
                "edbfbf",
                "eda080edb080", // surrogates
                "f4908080",
                "f5808080",
                "f7bfbfbf",
                "f8888080",
                "fc8480808080",
                "fe",
                "ff", // beyond U+10FFFF
                "80",
                "bf",
                "c3",
                "e282",
                "f09f98",
                "c328",
                "e28228"); // pieces
    }

    private static byte[] around(String before, String hex, String after) {
        StringBuilder text = new StringBuilder(before);
        for (int i = 0; i < hex.length(); i += 2) {
            text.append((char) Integer.parseInt(hex.substring(i, i + 2), 16));
        }
        return text.append(after).toString().getBytes(StandardCharsets.ISO_8859_1);
    }

    private static void refused(byte[] body, String part) {
        assertThatThrownBy(() -> JsonBody.parse(body)).isInstanceOfSatisfying(ApiException.class, e -> {
            assertThat(e.error().status()).isEqualTo(400);
            assertThat(e.error().message()).contains(part);
        });
    }

    @ParameterizedTest
    @MethodSource("broken")
    void whatIsNoUtf8IsRefusedWhereverItStands(String hex) {
        refused(around("{\"prompt\":\"a", hex, "b\"}"), "UTF-8 at byte 12");
        refused(around("{\"unknown\":{\"deep\":[\"", hex, "\"]}}"), "UTF-8 at byte 21");
        refused(around("{\"na", hex, "me\":1}"), "UTF-8 at byte 4");
        refused(around("{\"a\":1}", hex, ""), "UTF-8 at byte 7");
        refused(
                around(" ".repeat(8190) + "{\"a\":\"", hex, "\"}"),
                "UTF-8 at byte 8196"); // across what is read at once
    }

    @Test
    void everyCharacterOfUnicodeIsAccepted() {
        StringBuilder all = new StringBuilder();
        for (int c = 0x80; c <= Character.MAX_CODE_POINT; c += 0x1f) {
            if (c < Character.MIN_SURROGATE || c > Character.MAX_SURROGATE) {
                all.appendCodePoint(c);
            }
        }
        all.append("\u0080\u07ff\u0800\ud7ff\ue000\uffff")
                .appendCodePoint(0x10000)
                .appendCodePoint(0x10ffff);
        byte[] body = ("{\"prompt\":\"" + all + "\"}").getBytes(StandardCharsets.UTF_8);
        assertThat(JsonBody.parse(body).get("prompt").stringValue()).isEqualTo(all.toString());
        byte[] escaped = "{\"prompt\":\"\\ud83d\\ude00\",\"\\ud83d\\ude00\":1}".getBytes(StandardCharsets.UTF_8);
        assertThat(JsonBody.parse(escaped).get("prompt").stringValue()).isEqualTo("\ud83d\ude00");
    }

    @ParameterizedTest
    @ValueSource(strings = {"UTF-16", "UTF-16LE", "UTF-16BE", "UTF-32", "UTF-32LE", "UTF-32BE"})
    void onlyUtf8IsRead(String charset) {
        refused("{\"prompt\":\"Hi\"}".getBytes(Charset.forName(charset)), "UTF-8");
        refused("{}".getBytes(Charset.forName(charset)), "UTF-8");
    }

    @Test
    void aByteOrderMarkIsRefused() {
        refused("\ufeff{}".getBytes(StandardCharsets.UTF_8), "byte order mark");
    }

    @ParameterizedTest
    @ValueSource(strings = {"\\ud800", "\\udc00", "\\udc00\\ud800", "\\ud83dx", "x\\uDE00"})
    void halfACharacterIsRefusedWhereverItStands(String half) {
        for (String body : List.of(
                "{\"a\":\"" + half + "\"}",
                "{\"a\":{\"b\":[1,[\"" + half + "\"]]}}",
                "{\"a\":1,\"b\":[{},\"" + half + "\"]}")) {
            refused(body.getBytes(StandardCharsets.UTF_8), "half a character");
        }
        refused(("{\"" + half + "\":1}").getBytes(StandardCharsets.UTF_8), "half a character");
        assertThatThrownBy(() ->
                        JsonBody.parse(("{\"a\":{\"b\":[1,[\"" + half + "\"]]}}").getBytes(StandardCharsets.UTF_8)))
                .isInstanceOfSatisfying(
                        ApiException.class, e -> assertThat(e.error().param()).isEqualTo("a.b[1][0]"));
    }

    @Test
    void anObjectHasABoundedNumberOfNames() {
        assertThat(JsonBody.parse(names(4096, "n")).get("n0").intValue()).isZero();
        refused(names(4097, "n"), "at most 4096 names");
        String nested = "{\"a\":[" + new String(names(4097, "n"), StandardCharsets.UTF_8) + "]}";
        refused(nested.getBytes(StandardCharsets.UTF_8), "at most 4096 names");
    }

    private static byte[] names(int count, String prefix) {
        List<String> members = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            members.add("\"" + prefix + i + "\":" + i);
        }
        return ("{" + String.join(",", members) + "}").getBytes(StandardCharsets.UTF_8);
    }

    /** Two letters each for one bit, with one hash for both: all names have the same. */
    private static byte[] colliding(String zero, String one, String suffix) {
        List<String> members = new ArrayList<>();
        for (int i = 0; i < 3000; i++) {
            StringBuilder name = new StringBuilder();
            for (int bit = 0; bit < 16; bit++) {
                name.append((i >> bit & 1) == 0 ? zero : one);
            }
            members.add("\"" + name + suffix + "\":1");
        }
        return ("{" + String.join(",", members) + "}").getBytes(StandardCharsets.UTF_8);
    }

    /** Of equal hashes in Java's strings, which multiply by 31, and in the parser's table of characters, by 33. */
    @ParameterizedTest
    @CsvSource({"Aa, BB", "Aa, B@"})
    void namesOfEqualHashesHarmNoCall(String zero, String one) {
        for (int attack = 0; attack < 20; attack++) {
            assertThat(JsonBody.parse(colliding(zero, one, "" + attack))
                            .get("AaAa")
                            .isMissingNode())
                    .isTrue();
        }
        for (int call = 0; call < 50; call++) {
            assertThat(JsonBody.parse(names(60, "caller" + call + "-"))
                            .get("caller" + call + "-7")
                            .intValue())
                    .isEqualTo(7);
        }
    }
}
