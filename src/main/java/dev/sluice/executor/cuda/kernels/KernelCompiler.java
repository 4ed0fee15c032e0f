package dev.sluice.executor.cuda.kernels;

import dev.sluice.runtime.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Compiles the kernels that travel in the jar, for one architecture; what was compiled before comes from a cache. */
final class KernelCompiler {

    private static final String FORMAT_VERSION = "1"; // of what the key is made of

    private final Nvrtc nvrtc;
    private final KernelCache cache;
    private final String architecture;
    private final int driverVersion;
    private final Clock clock;
    private final List<String> options;
    private int compiled;
    private int cached;
    private long nanos;

    /** @param driverVersion of the driver that the images are for */
    KernelCompiler(Nvrtc nvrtc, KernelCache cache, String architecture, int driverVersion, Clock clock) {
        this.nvrtc = nvrtc;
        this.cache = cache;
        this.architecture = architecture;
        this.driverVersion = driverVersion;
        this.clock = clock;
        options = List.of("--gpu-architecture=" + architecture, "--std=c++17");
    }

    /**
     * Machine code, for {@code CudaModule.load}.
     *
     * @param file name of a file under {@code src/main/cuda/kernels}, without its ending
     * @throws CudaUnavailableException if it does not compile, with what the compiler says
     */
    byte[] image(String file) {
        KernelSource source = KernelSource.read(file);
        String key = key(source);
        byte[] kept = cache.get(key);
        if (kept != null) {
            cached++;
            return kept;
        }
        long start = clock.monotonicNanos();
        byte[] image = nvrtc.compile(source, options);
        nanos += clock.monotonicNanos() - start;
        compiled++;
        cache.put(key, image);
        return image;
    }

    String key(KernelSource source) {
        List<String> parts = new ArrayList<>(
                List.of(FORMAT_VERSION, nvrtc.version(), String.valueOf(driverVersion), source.name(), source.text()));
        parts.addAll(options);
        source.headers().forEach((name, text) -> parts.addAll(List.of(name, text)));
        return KernelCache.key(parts);
    }

    /** What has been done, for the log. */
    String describe() {
        return String.format(
                Locale.ROOT,
                "%d compiled for %s by NVRTC %s in %.1f s, %d compiled before",
                compiled,
                architecture,
                nvrtc.version(),
                nanos / 1e9,
                cached);
    }
}
