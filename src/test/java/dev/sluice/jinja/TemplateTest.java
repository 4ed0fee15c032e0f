package dev.sluice.jinja;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TemplateTest {

    private static final TemplateLimits LIMITS = new TemplateLimits(100_000, 10_000, Duration.ofSeconds(10));
    private static final InstantSource NOW = InstantSource.fixed(Instant.parse("2025-03-09T14:05:07Z"));

    private static Text render(String source, Map<String, Object> client) {
        return Template.parse(source).render(Map.of("own", "server"), client, LIMITS, () -> 0, NOW);
    }

    @ParameterizedTest
    @CsvSource(
            delimiterString = "=>",
            quoteCharacter = '~',
            value = {
                "{{ 1 + 2 * 3 }} => 7",
                "{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} => 3 -4 2 3.5",
                "{{ 'a' ~ 1 ~ none ~ true }} => a1NoneTrue",
                "{{ not x is defined }} => True",
                "{{ [1, 2, 3][::-1] }} => [3, 2, 1]",
                "{{ 'hello'[1:-1] }} => ell",
                "{{ [1,2,3] | map('string') | join('-') }} => 1-2-3",
                "{{ 'x' if false else 'y' }} => y",
                "{{ 'x' if false }}! => !",
                "{{ {'a': [1.0, none, 'q\"']} | tojson }} => {\"a\": [1.0, null, \"q\\\"\"]}",
                "{% for i in range(5) if i % 2 %}{{ i }}{{ ',' if not loop.last }}{% endfor %} => 1,3",
                "{% for i in [] %}x{% else %}none{% endfor %} => none",
                "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}{{ v }}{% endfor %} => a1b2",
                "{% set ns = namespace(n=0) %}{% for i in [1,2] %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }} => 3",
                "{% set n = 0 %}{% for i in [1,2] %}{% set n = i %}{% endfor %}{{ n }} => 0",
                "{% macro f(a, b='d') %}<{{ a }}{{ b }}>{% endmacro %}{{ f(1) }}{{ f(2, b=3) }} => <1d><23>",
                "{% for i in [1,2,3,4] %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %} => 12",
                "{% set x %}a b{% endset %}{{ x | upper }} => A B",
                "{% raw %}{{ x }}{% endraw %} => {{ x }}",
                "{{ 'a,b,c'.split(',')[-1] }}{{ ' x '.strip() }}{{ 'aXbX'.rsplit('X', 1) }} => cx['aXb', '']",
                "{{ 'abc' is string and 3 is number and none is none and {} is mapping }} => True",
                "{{ 'b' in 'abc' and 2 not in [1] and 'k' in {'k': 0} }} => True",
                "{{ [{'r': 'u'}, {'r': 's'}] | selectattr('r', 'equalto', 'u') | list | length }} => 1",
                "{{ missing }}{{ missing | default('d') }}{{ '' | default('e', true) }} => de",
                "{{ 1e16 }} {{ 0.1 }} {{ 1e-7 }} => 1e+16 0.1 1e-07",
                "{{ \"it's\" }}{{ [\"it's\"] }} => it's[\"it's\"]"
            })
    void expressionsMeanWhatTheyMeanInPython(String source, String expected) {
        assertThat(render(source, Map.of()).chars()).isEqualTo(expected);
    }

    @Test
    void blanksGoWhereHuggingFaceLetsThemGo() {
        String source = "a\n  {% if true %}\n  b\n  {% endif %}\nc {{- ' d ' -}} \n e\n";
        assertThat(render(source, Map.of()).chars()).isEqualTo("a\n  b\nc d e");
    }

    @Test
    void whatTheClientWroteStaysKnownThroughEveryOperation() {
        Map<String, Object> client = new HashMap<>(Map.of("text", "  EVIL  "));
        Text text = render("[{{ own }}] {{ 'x' + text.strip().replace('V', 'own') + 'y' }}{{ text | lower }}", client);
        assertThat(text.chars()).isEqualTo("[server] xEownILy  evil  ");
        StringBuilder marked = new StringBuilder();
        int[] ranges = text.clientRanges();
        for (int i = 0; i < ranges.length; i += 2) {
            marked.append(text.chars(), ranges[i], ranges[i + 1]).append('|');
        }
        assertThat(marked.toString()).isEqualTo("E|IL|  evil  |");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
                "{{ range(10**9) }}",
                "{{ 'x' * 100000000 }}",
                "{{ 'x' * 10**15 }}",
                "{% for i in range(50000) %}0123456789{% endfor %}",
                "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
                "{% set x = namespace(t='aa') %}{% for i in range(60) %}{% set x.t = x.t + x.t %}{% endfor %}"
            })
    void aTemplateThatWantsTooMuchIsStopped(String source) {
        assertThatThrownBy(() -> render(source, Map.of()))
                .isInstanceOfSatisfying(
                        TemplateException.class, e -> assertThat(e.kind()).isEqualTo(TemplateException.Kind.LIMIT));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{{ ''.__class__ }}!",
                "{{ own.getClass() }}",
                "{{ [].append(1) }}",
                "{{ 1 + 'a' }}",
                "{{ missing.member }}",
                "{{ 'a'.startswith() }}",
                "{{ none | length }}",
                "{{ 1 // 0 }}"
            })
    void nothingReachesTheHost(String source) {
        try {
            assertThat(render(source, Map.of()).chars()).isEqualTo("!");
        } catch (TemplateException e) {
            assertThat(e.kind()).isEqualTo(TemplateException.Kind.EVALUATION);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% if %}",
                "{{ 1 +",
                "{% for x in y %}",
                "{% endif %}",
                "{% include 'x' %}",
                "{% import 'os' as os %}",
                "{{ 'a }}",
                "{# open",
                "{% else %}",
                "{{ a b }}",
                "{% set %}"
            })
    void whatCannotBeParsedIsRefusedWithItsLine(String source) {
        assertThatThrownBy(() -> Template.parse(source))
                .isInstanceOfSatisfying(
                        TemplateException.class, e -> assertThat(e.kind()).isEqualTo(TemplateException.Kind.SYNTAX))
                .hasMessageContaining("line");
    }

    @Test
    void aRaisedErrorCarriesItsText() {
        assertThatThrownBy(() -> render("{{ raise_exception('roles must ' + own) }}", Map.of()))
                .hasMessage("roles must server")
                .isInstanceOfSatisfying(
                        TemplateException.class, e -> assertThat(e.kind()).isEqualTo(TemplateException.Kind.RAISED));
    }

    @Test
    void listsOfTheClientAreNotChangedByAnything() {
        List<Integer> list = List.of(3, 1, 2);
        assertThat(render("{{ l | sort }}{{ l | reverse | list }}{{ l }}", Map.of("l", list))
                        .chars())
                .isEqualTo("[1, 2, 3][2, 1, 3][3, 1, 2]");
    }
}
