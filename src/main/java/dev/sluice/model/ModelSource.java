package dev.sluice.model;

import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/** Where a model's files come from: a directory, or the jar. */
interface ModelSource {

    /** For messages and as the default name. */
    String name();

    /**
     * A small text file, read whole.
     *
     * @return null if there is no such file
     * @throws ModelFormatException if it cannot be read or is larger than a small file has a right to be
     */
    byte @Nullable [] read(String fileName);

    /** A weights file, in memory that the arena owns. */
    SafetensorsFile weights(String fileName, Arena arena);
}
