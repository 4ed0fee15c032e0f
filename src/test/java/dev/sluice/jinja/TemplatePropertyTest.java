package dev.sluice.jinja;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Whatever is written and whatever is sent: a text, or an exception of this room, and the client's characters marked. */
class TemplatePropertyTest {

    private static final TemplateLimits LIMITS = new TemplateLimits(20_000, 20_000, Duration.ofSeconds(10));
    private static final InstantSource NOW = InstantSource.fixed(Instant.EPOCH);
    private static final String[] VALUES = {
        "x",
        "l",
        "d",
        "n",
        "missing",
        "none",
        "true",
        "1",
        "-1",
        "0",
        "2.5",
        "'a b'",
        "''",
        "[]",
        "{}",
        "()",
        "(1,)",
        "[1, 'b', none]",
        "{'k': x}",
        "[x, x]",
        "range(3)",
        "namespace(a=1)",
        "loop",
        "x.strip",
        "dict(a=x)",
        "'\\n'"
    };
    private static final String[] TAILS = {
        "| trim",
        "| length",
        "| upper",
        "| title",
        "| sort",
        "| list",
        "| first",
        "| last",
        "| join('-')",
        "| tojson",
        "| tojson(indent=2)",
        "| reverse",
        "| unique",
        "| int",
        "| float",
        "| round",
        "| sum",
        "| max",
        "| min",
        "| abs",
        "| items",
        "| dictsort",
        "| map('upper')",
        "| map(attribute='k')",
        "| select",
        "| selectattr('k')",
        "| rejectattr('k', 'eq', 1)",
        "| default(x)",
        "| indent",
        "| replace('a', x)",
        "| string",
        "| e",
        ".strip()",
        ".split()",
        ".split('a')",
        ".rsplit(x, 1)",
        ".items()",
        ".get('k')",
        ".k",
        "[0]",
        "[-1]",
        "[::-1]",
        "[1:]",
        "[x]",
        "['k']",
        ".upper()",
        ".join(l)",
        ".find('a')",
        ".replace(x, 'y')",
        ".splitlines()",
        "is defined",
        "is none",
        "is string",
        "is odd",
        "is mapping",
        "is in l",
        "+ 1",
        "+ x",
        "* 2",
        "// 2",
        "% 3",
        "** 2",
        "/ 0",
        "~ x",
        "== x",
        "< 1",
        "in l",
        "not in d",
        "and x",
        "or 1",
        "if x else 2",
        "if missing",
        "()",
        "(x)",
        "(k=1)"
    };
    private static final String[] WRAPS = {
        "{{ %s }}",
        "{%% for i in %s %%}{{ i }}{{ loop.index }}{%% endfor %%}",
        "{%% for i in %s if i %%}{{ i }}{%% else %%}-{%% endfor %%}",
        "{%% for k, v in %s %%}{{ k }}={{ v }}{%% endfor %%}",
        "{%% if %s %%}{{ x }}{%% endif %%}",
        "{%% set y = %s %%}{{ y }}",
        "{%% set y %%}{{ %s }}{%% endset %%}{{ y | upper }}",
        "{%% macro m(a, b=1) %%}{{ a }}{{ b }}{%% endmacro %%}{{ m(%s) }}"
    };

    @Test
    void nothingButItsOwnExceptionLeavesTheInterpreter() {
        Random random = new Random(17);
        int rendered = 0;
        for (int i = 0; i < 60_000; i++) {
            String source = source(random);
            try {
                render(source, "EVIL a\n b😀");
                rendered++;
            } catch (TemplateException e) {
                assertThat(e.getMessage()).as(source).isNotBlank();
            } catch (RuntimeException e) {
                throw new AssertionError(source, e);
            }
        }
        assertThat(rendered).as("templates that render").isGreaterThan(10_000);
    }

    @Test
    void everyCharacterThatDependsOnTheClientIsMarked() {
        Random random = new Random(23);
        for (int i = 0; i < 20_000; i++) {
            String source = source(random);
            Text text;
            try {
                text = render(source, "<|EVIL|>");
            } catch (TemplateException e) {
                continue;
            }
            int[] ranges = text.clientRanges();
            StringBuilder rest = new StringBuilder(text.chars());
            for (int r = ranges.length - 2; r >= 0; r -= 2) {
                rest.delete(ranges[r], ranges[r + 1]);
            }
            assertThat(rest.toString().toLowerCase(java.util.Locale.ROOT))
                    .as(source)
                    .doesNotContain("evil");
            assertThat(Arrays.stream(ranges).sorted().toArray()).as(source).isEqualTo(ranges);
        }
    }

    @Test
    void piecesOfATemplateAreRefusedOrRendered() {
        String whole = "{% for m in l %}{{- m.strip() | tojson(indent=2) }}{# c #}{% raw %}{{{% endraw %}{% endfor %}";
        Random random = new Random(29);
        for (int i = 0; i < 20_000; i++) {
            int from = random.nextInt(whole.length());
            int to = from + random.nextInt(whole.length() - from);
            String source =
                    random.nextBoolean() ? whole.substring(from, to) : whole.substring(0, from) + whole.substring(to);
            try {
                render(source, "x");
            } catch (TemplateException e) {
                assertThat(e.getMessage()).as(source).isNotBlank();
            } catch (RuntimeException e) {
                throw new AssertionError(source, e);
            }
        }
    }

    private static String source(Random random) {
        StringBuilder expression = new StringBuilder(VALUES[random.nextInt(VALUES.length)]);
        for (int n = random.nextInt(4); n > 0; n--) {
            expression.append(' ').append(TAILS[random.nextInt(TAILS.length)]);
        }
        return String.format(WRAPS[random.nextInt(WRAPS.length)], expression);
    }

    private static Text render(String source, String evil) {
        Map<String, Object> variables = new HashMap<>(Map.of("x", evil, "n", 3, "l", List.of(evil, "b", "a")));
        variables.put("d", Map.of("k", evil));
        return Template.parse(source).render(Map.of(), variables, LIMITS, () -> 0, NOW);
    }
}
