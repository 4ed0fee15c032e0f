package dev.sluice.model;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A model in a directory. Symbolic links that leave it are followed only if the operator allows it. */
final class DirectorySource implements ModelSource {

    private final Path directory;
    private final String modelName;
    private final boolean allowSymlinks;

    DirectorySource(Path directory, boolean allowSymlinks) {
        this.allowSymlinks = allowSymlinks;
        Path fileName = directory.toAbsolutePath().normalize().getFileName();
        this.modelName = fileName == null ? "model" : fileName.toString();
        try {
            this.directory = directory.toRealPath();
        } catch (IOException e) {
            throw new ModelFormatException("The model directory " + Echo.of(directory.toString()) + " is missing.", e);
        }
        if (!Files.isDirectory(this.directory)) {
            throw new ModelFormatException("The model path " + Echo.of(directory.toString()) + " is not a directory.");
        }
    }

    @Override
    public String modelName() {
        return modelName;
    }

    @Override
    public boolean has(String file) {
        return Files.exists(directory.resolve(file), LinkOption.NOFOLLOW_LINKS);
    }

    @Override
    public byte @Nullable [] read(String file, int bytesMax) {
        if (!has(file)) {
            return null;
        }
        Path path = locate(file);
        try (var stream = Files.newInputStream(path)) {
            byte[] bytes = stream.readNBytes(bytesMax);
            if (stream.read() >= 0) {
                throw new ModelFormatException(file + " is larger than " + bytesMax + " bytes.");
            }
            return bytes;
        } catch (IOException e) {
            throw new ModelFormatException(file + " cannot be read.", e);
        }
    }

    @Override
    public SafetensorsFile weights(String file, Arena arena) {
        return SafetensorsFile.map(file, locate(file), arena);
    }

    private Path locate(String file) {
        Path real;
        try {
            real = directory.resolve(file).toRealPath();
        } catch (IOException e) {
            throw new ModelFormatException(file + " cannot be read: it is a link to nothing, or not accessible.", e);
        }
        if (!allowSymlinks && !real.startsWith(directory)) {
            throw new ModelFormatException(file
                    + " is a symbolic link out of the model directory, which is not allowed by the configuration.");
        }
        if (!Files.isRegularFile(real)) {
            throw new ModelFormatException(file + " is not a regular file.");
        }
        return real;
    }
}
