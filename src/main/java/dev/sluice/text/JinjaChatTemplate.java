package dev.sluice.text;

import dev.sluice.jinja.Template;
import dev.sluice.jinja.TemplateException;
import dev.sluice.jinja.TemplateLimits;
import dev.sluice.jinja.Text;
import dev.sluice.model.ModelFormatException;
import dev.sluice.runtime.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A chat template in Jinja, rendered by our own interpreter: general template engines give no account of which
 * characters came from the client, and no tight bound on what a template may spend.
 */
public final class JinjaChatTemplate implements ChatTemplate {

    private final Template template;
    private final Map<String, @Nullable String> own = new HashMap<>();
    private final TemplateLimits limits;
    private final Clock clock;

    /** @throws ModelFormatException if the template cannot be parsed */
    public JinjaChatTemplate(
            String source, @Nullable String bosToken, @Nullable String eosToken, TemplateLimits limits, Clock clock) {
        try {
            template = Template.parse(source);
        } catch (TemplateException e) {
            throw new ModelFormatException("the model's chat template cannot be parsed, " + e.getMessage(), e);
        }
        own.put("bos_token", bosToken);
        own.put("eos_token", eosToken);
        this.limits = limits;
        this.clock = clock;
    }

    @Override
    public RenderedPrompt render(
            List<Map<String, @Nullable Object>> messages, Map<String, @Nullable Object> variables) {
        Map<String, @Nullable Object> client = new HashMap<>(variables);
        client.put("messages", messages);
        client.keySet().removeAll(own.keySet());
        try {
            Text text = template.render(
                    own, client, limits, clock::monotonicNanos, () -> Instant.ofEpochMilli(clock.wallMillis()));
            return new RenderedPrompt(text.chars(), ranges(text.clientRanges()));
        } catch (TemplateException e) {
            boolean clientFault = e.kind() != TemplateException.Kind.LIMIT;
            throw new ChatTemplateException(
                    clientFault
                            ? "the chat template rejected the conversation: " + e.getMessage()
                            : String.valueOf(e.getMessage()),
                    clientFault);
        }
    }

    private static List<RenderedPrompt.Range> ranges(int[] bounds) {
        List<RenderedPrompt.Range> ranges = new ArrayList<>();
        for (int i = 0; i < bounds.length; i += 2) {
            ranges.add(new RenderedPrompt.Range(bounds[i], bounds[i + 1]));
        }
        return ranges;
    }
}
