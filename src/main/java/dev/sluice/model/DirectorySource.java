package dev.sluice.model;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SecureDirectoryStream;
import java.nio.file.StandardOpenOption;
import java.util.Set;
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
        try (FileChannel channel = open(locate(file));
                InputStream stream = Channels.newInputStream(channel)) {
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
        try (FileChannel channel = open(locate(file))) {
            return SafetensorsFile.map(file, channel, arena);
        } catch (IOException e) {
            throw new ModelFormatException(file + " cannot be mapped.", e);
        }
    }

    /** Where a file really lies, if it may lie there. */
    Path locate(String file) {
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

    /**
     * Opens what {@link #locate} has found. No link is followed on the way: what has become one since then was not checked.
     * Within the directory each part of the path is looked up in the one opened before it, so that none can be exchanged.
     */
    FileChannel open(Path real) throws IOException {
        if (real.startsWith(directory)) {
            try (DirectoryStream<Path> opened = Files.newDirectoryStream(directory)) {
                if (opened instanceof SecureDirectoryStream<Path> secure) {
                    return openBelow(secure, directory.relativize(real));
                }
            }
        }
        return FileChannel.open(real, StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS);
    }

    private static FileChannel openBelow(SecureDirectoryStream<Path> directory, Path path) throws IOException {
        if (path.getNameCount() > 1) {
            try (SecureDirectoryStream<Path> next =
                    directory.newDirectoryStream(path.getName(0), LinkOption.NOFOLLOW_LINKS)) {
                return openBelow(next, path.subpath(1, path.getNameCount()));
            }
        }
        return (FileChannel) directory.newByteChannel(path, Set.of(StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS));
    }
}
