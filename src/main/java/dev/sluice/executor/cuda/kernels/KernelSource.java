package dev.sluice.executor.cuda.kernels;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A kernel file as it travels in the jar.
 *
 * @param name of its file, with the ending
 * @param headers what it includes, directly or not, by name: in an order that is always the same
 */
record KernelSource(String name, String text, SortedMap<String, String> headers) {

    private static final String KERNELS = "/cuda/kernels/";
    private static final String HEADERS = "/cuda/include/";
    private static final Pattern INCLUDE = Pattern.compile("(?m)^\\s*#\\s*include\\s*\"([^\"]+)\"");

    /** @param file name of a file under {@code src/main/cuda/kernels}, without its ending */
    static KernelSource read(String file) {
        String name = file + ".cu";
        String text = resource(KERNELS + name);
        if (text == null) {
            throw new IllegalArgumentException("this jar has no kernel file " + name);
        }
        SortedMap<String, String> headers = new TreeMap<>();
        collect(text, headers);
        return new KernelSource(name, text, headers);
    }

    /** A header that is not in the jar is one of the emulation's: if not, the compiler will say so. */
    private static void collect(String text, SortedMap<String, String> headers) {
        for (Matcher include = INCLUDE.matcher(text); include.find(); ) {
            String name = include.group(1);
            String header = headers.containsKey(name) ? null : resource(HEADERS + name);
            if (header != null) {
                headers.put(name, header);
                collect(header, headers);
            }
        }
    }

    private static @Nullable String resource(String path) {
        try (InputStream in = KernelSource.class.getResourceAsStream(path)) {
            return in == null ? null : new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
