package dev.sluice.model;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.net.URL;
import java.net.URLConnection;
import org.jspecify.annotations.Nullable;

/** A model that travels with the program, in a directory of classes or inside a jar, nested or not. */
final class ClasspathSource implements ModelSource {

    private final ClassLoader classes;
    private final String folder;
    private final String modelName;

    ClasspathSource(ClassLoader classes, String folder) {
        this.classes = classes;
        this.folder = folder;
        this.modelName = folder.substring(folder.lastIndexOf('/') + 1);
    }

    @Override
    public String modelName() {
        return modelName;
    }

    @Override
    public boolean has(String file) {
        return find(file) != null;
    }

    @Override
    public byte @Nullable [] read(String file, int bytesMax) {
        URL url = find(file);
        if (url == null) {
            return null;
        }
        try (InputStream stream = url.openStream()) {
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
        URL url = find(file);
        if (url == null) {
            throw new ModelFormatException("The model " + Echo.of(modelName) + " has no " + file + ".");
        }
        try {
            URLConnection connection = url.openConnection();
            long size = connection.getContentLengthLong();
            try (InputStream stream = connection.getInputStream()) {
                return SafetensorsFile.read(file, stream, size, arena);
            }
        } catch (IOException e) {
            throw new ModelFormatException(file + " cannot be read.", e);
        }
    }

    private @Nullable URL find(String file) {
        return classes.getResource(folder + "/" + file);
    }
}
