package dev.sluice.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class SplitPatternTest {

    private static final String UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
    private static final String LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
    private static final String SUFFIX = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";

    /** Of well-known tokenizers. */
    static Stream<String> honest() {
        return Stream.of(
                "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
                SUFFIX
                        + "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                SUFFIX
                        + "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                "[^\\r\\n\\p{L}\\p{N}]?" + UPPER + "*" + LOWER + "+" + SUFFIX + "?|[^\\r\\n\\p{L}\\p{N}]?" + UPPER + "+"
                        + LOWER + "*" + SUFFIX
                        + "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                "[^\\r\\n\\p{L}\\p{N}]?" + UPPER + "*" + LOWER + "+|[^\\r\\n\\p{L}\\p{N}]?" + UPPER + "+" + LOWER
                        + "*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                "\\p{N}{1,3}",
                "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
                "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
                        + " ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+",
                "[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|[.,:]+",
                "[0-9][0-9][0-9]",
                " {2,}",
                "[[:alpha:]]+|\\x20+|\\u0041+",
                "(?i)'s|\\p{L}+|\\s+(?!\\S)|\\s+",
                "(?:ab{3})+c|(?:ab{3})+",
                "(?:a{2,3}|b)c");
    }

    @ParameterizedTest
    @MethodSource("honest")
    void patternsOfRealTokenizersAreServed(String pattern) {
        assertThat(SplitPattern.parse(pattern).needsShortRuns()).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\\s+$",
                "(?i)a|\\s+$",
                "(?i:\\d+x)",
                "\\s*[\\r\\n]",
                "\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s",
                "\\d{1,3}(?=(?:\\d{3})*\\b)",
                "\\p{N}{1,3}(?=(\\p{N}{3})+(?!\\p{N}))"
            })
    void someAreServedForShortRunsOnly(String pattern) {
        assertThat(SplitPattern.parse(pattern).needsShortRuns()).isTrue();
    }

    @ParameterizedTest
    @CsvSource(quoteCharacter = '~', delimiter = '@', textBlock = """
                    (a+)+$ @ repeats what repeats itself
                    (a*)* @ repeats what repeats itself
                    (?:(a+)b?)+ @ repeats what repeats itself
                    ((a{1,1000}){1,1000}){1,1000} @ repeats what repeats itself
                    (a|a)*$ @ repeats what repeats itself or has alternatives
                    (?i:a|ab)+c @ repeats what repeats itself or has alternatives
                    (a?){30}b @ repeats what repeats itself
                    a{1,3}+b @ repeats a repetition
                    a+* @ repeats a repetition
                    a?a?a?a?a?a?a?aaaaaaa @ too many choices
                    a*a*a*b @ repeats without a bound twice
                    (?:a*b*)c @ repeats without a bound twice
                    .*x @ no next alternative takes
                    a+$ @ no next alternative takes
                    a++$ @ no next alternative takes
                    a+b|a|a+ @ no next alternative takes
                    a(?=.*b) @ no next alternative takes
                    a*?b @ no next alternative takes
                    (?i)a*b|(?-i)a* @ no next alternative takes
                    (?i:a+)b|a+ @ no next alternative takes
                    a*(?i)b|a* @ no next alternative takes
                    (?:ab{3})+c|(?:ab)+ @ no next alternative takes
                    (?:a+|c+)b|a+ @ no next alternative takes
                    a*b|a{0,10} @ no next alternative takes
                    a+b|a+? @ no next alternative takes
                    a+b|a{1,}? @ no next alternative takes
                    (a)\\1 @ refers back
                    (?<n>a)\\k<n> @ group of a kind
                    (?<=a)b @ looks behind
                    (?<!a+)b @ looks behind
                    (?x)(a+#[^x)+#]) @ group of a kind
                    \\g<0>a @ which is not served
                    \\c[a+)+ @ which is not served
                    (?~a) @ group of a kind
                    (((a{1000}){1000}){1000}) @ too large
                    a{5000} @ repeats more than 1000
                    (a @ without )
                    a) @ without (
                    [a @ without ]
                    """)
    void whatMayTakeTooLongIsNotServed(String pattern, String reason) {
        String plain = pattern.replace("\\\\", "\\");
        assertThatThrownBy(() -> SplitPattern.parse(plain))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(reason);
    }
}
