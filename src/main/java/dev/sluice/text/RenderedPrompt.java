package dev.sluice.text;

import java.util.List;

/**
 * The text a chat template produced, with the character ranges in it that came from the client.
 *
 * @param clientRanges ascending, not overlapping
 */
public record RenderedPrompt(String text, List<Range> clientRanges) {

    /** Characters {@code [start, end)}. */
    public record Range(int start, int end) {}
}
