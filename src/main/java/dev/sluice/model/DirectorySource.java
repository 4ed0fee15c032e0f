package dev.sluice.model;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A model directory on disk. Names inside it are plain file names; links may not leave it unless allowed. */
final class DirectorySource implements ModelSource {

    private static final long SMALL_FILE_BYTES_MAX = 256L << 20; // the largest published tokenizer.json are 30 MB

    private final Path directory;
    private final boolean allowSymlinks;

    DirectorySource(Path directory, boolean allowSymlinks) {
        if (!Files.isDirectory(directory)) {
            throw new ModelFormatException("the model directory " + directory + " does not exist");
        }
        this.directory = directory;
        this.allowSymlinks = allowSymlinks;
    }

    @Override
    public String name() {
        Path name = directory.toAbsolutePath().normalize().getFileName();
        return name == null ? "model" : name.toString();
    }

    @Override
    public byte @Nullable [] read(String fileName) {
        Path file = resolve(fileName);
        try {
            if (!Files.exists(file)) {
                return null;
            }
            long size = Files.size(file);
            if (size > SMALL_FILE_BYTES_MAX) {
                throw new ModelFormatException(
                        fileName + " has " + size + " bytes, the limit is " + SMALL_FILE_BYTES_MAX);
            }
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw new ModelFormatException(fileName + " cannot be read", e);
        }
    }

    @Override
    public SafetensorsFile weights(String fileName, Arena arena) {
        Path file = resolve(fileName);
        if (!Files.isRegularFile(file)) {
            throw new ModelFormatException("the weights file " + fileName + " is missing in " + directory);
        }
        return SafetensorsFile.map(file, arena);
    }

    private Path resolve(String fileName) {
        if (!fileName.matches("[A-Za-z0-9][A-Za-z0-9._-]{0,254}")) {
            throw new ModelFormatException("'" + fileName + "' is not a plain file name");
        }
        Path file = directory.resolve(fileName);
        if (!allowSymlinks && Files.isSymbolicLink(file)) {
            throw new ModelFormatException(
                    fileName + " is a symbolic link; set sluice.model.allow-symlinks to follow it");
        }
        return file;
    }
}
