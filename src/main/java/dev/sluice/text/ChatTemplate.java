package dev.sluice.text;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A model's chat template. Rendering is bounded in time, steps and output, and reaches nothing outside itself. */
public interface ChatTemplate {

    /**
     * Renders a conversation.
     *
     * @param messages each with {@code role} and {@code content} and whatever else the API accepted, in JSON shapes
     *     (String, Number, Boolean, List, Map, null)
     * @param variables what else the template may read: {@code tools}, {@code documents}, {@code add_generation_prompt},
     *     {@code enable_thinking}, ...
     * @throws ChatTemplateException if the template raises an error or exceeds a bound; the message is fit for the
     *     client's eyes
     */
    RenderedPrompt render(List<Map<String, @Nullable Object>> messages, Map<String, @Nullable Object> variables);
}
