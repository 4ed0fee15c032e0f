package dev.sluice.model;

import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/** Where the files of a model lie; names are plain file names, never paths. */
sealed interface ModelSource permits DirectorySource, ClasspathSource {

    /** What people call the model if nobody says otherwise. */
    String modelName();

    boolean has(String file);

    /**
     * The whole content, or null if there is no such file.
     *
     * @throws ModelFormatException if the file is larger than {@code bytesMax}, or may not be read
     */
    byte @Nullable [] read(String file, int bytesMax);

    /** Opens an existing weights file in memory that {@code arena} owns. */
    SafetensorsFile weights(String file, Arena arena);

    /** {@link #read} of a file that must exist. */
    default byte[] require(String file, int bytesMax) {
        byte[] bytes = read(file, bytesMax);
        if (bytes == null) {
            throw new ModelFormatException("The model " + Echo.of(modelName()) + " has no " + file + ".");
        }
        return bytes;
    }
}
