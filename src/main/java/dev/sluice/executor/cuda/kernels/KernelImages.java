package dev.sluice.executor.cuda.kernels;

import dev.sluice.executor.cuda.driver.CudaContext;
import dev.sluice.executor.cuda.driver.CudaDevice;
import dev.sluice.executor.cuda.driver.CudaModule;
import dev.sluice.executor.cuda.driver.CudaUnavailableException;
import dev.sluice.runtime.SystemClock;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Where compiled kernels come from: packed in the jar if the driver finds code for its device there, else compiled on this
 * host.
 *
 * <p>The driver is asked, instead of a table of architectures: it alone knows what its version can make of the PTX. A jar
 * may have been built without a compiler or with an old one, and files that need a certain architecture have no PTX.
 */
public final class KernelImages {

    private final Function<String, byte @Nullable []> packed;
    private final List<String> compilers;
    private final KernelCache cache;
    private @Nullable KernelCompiler compiler;
    private int usedPacked;

    /**
     * @param packed images by file; null for a file without one
     * @param compilers names of NVRTC, as {@link Nvrtc#LIBRARIES}
     * @param cache directory for what is compiled; null for none
     */
    public KernelImages(Function<String, byte @Nullable []> packed, List<String> compilers, @Nullable Path cache) {
        this.packed = packed;
        this.compilers = compilers;
        this.cache = new KernelCache(cache);
    }

    /** Those of this jar and this host. */
    public static KernelImages here(@Nullable Path cache) {
        return new KernelImages(KernelImages::packed, Nvrtc.LIBRARIES, cache);
    }

    /**
     * What the build has compiled: a fat binary, with machine code of several architectures and mostly PTX, which the driver
     * compiles for those that came later. Null if the build had no compiler.
     */
    static byte @Nullable [] packed(String file) {
        try (InputStream in = KernelImages.class.getResourceAsStream("/cuda/images/" + file + ".fatbin")) {
            return in == null ? null : in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Loads a file's kernels onto the device.
     *
     * @param file name of a file under {@code src/main/cuda/kernels}, without its ending
     * @throws CudaUnavailableException if there are none for this device
     */
    CudaModule load(CudaContext context, String file) {
        byte[] image = packed.apply(file);
        if (image != null) {
            Optional<CudaModule> module = CudaModule.loadIfUsable(context, image);
            if (module.isPresent()) {
                usedPacked++;
                return module.get();
            }
        }
        if (compiler == null) {
            compiler = compiler(context, file, image != null);
        }
        return CudaModule.load(context, compiler.image(file));
    }

    private KernelCompiler compiler(CudaContext context, String file, boolean isPacked) {
        CudaDevice device = context.device();
        Nvrtc nvrtc = Nvrtc.open(compilers);
        if (nvrtc == null) {
            String missing = isPacked
                    ? "what this jar has of it is not for this device and driver"
                    : "this jar was built without nvcc and has no compiled kernels";
            throw new CudaUnavailableException(
                    "there is no kernel " + file + " for " + device.name() + " (" + device.architecture() + "): "
                            + missing + ", and this host has no NVRTC to compile it (tried "
                            + String.join(", ", compilers) + ")",
                    null);
        }
        return new KernelCompiler(nvrtc, cache, device.architecture(), context.driver.version(), new SystemClock());
    }

    /** What has been loaded, for the log. */
    public String describe() {
        String files = usedPacked + " files from the jar";
        return compiler == null ? files : files + ", " + compiler.describe();
    }
}
