package dev.sluice.api;

import dev.sluice.api.wire.Usage;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The JSON shape of an answer; chat and completions differ in nothing else. */
interface ResponseShape {

    /** One finished choice. {@code stopReason} is the stop string or token id that matched, or null. */
    record Finished(
            int index,
            String text,
            List<ChoiceText.Scored> scored,
            String reason,
            @Nullable Object stopReason) {}

    /** The event that opens a choice, or null if this shape has none. */
    @Nullable
    Object opening(int index, @Nullable Usage usage);

    Object delta(int index, ChoiceText.Piece piece, @Nullable Usage usage);

    Object finish(int index, String reason, @Nullable Object stopReason, @Nullable Usage usage);

    /** The event with the final counts: no choices. */
    Object usage(Usage usage);

    Object whole(List<Finished> choices, Usage usage);
}
