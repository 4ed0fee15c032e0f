package dev.sluice.executor.cuda;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;

/** Where compiled kernels come from. */
interface KernelImages {

    /**
     * What {@link CudaModule#load} takes.
     *
     * @param file name of a file under {@code src/main/cuda/kernels}, without its ending
     * @throws CudaUnavailableException if there is none
     */
    byte[] image(String file);

    /** Those that the build has compiled and packed into the jar: machine code of several architectures in each. */
    static KernelImages packed() {
        return file -> {
            String resource = "/cuda/images/" + file + ".fatbin";
            try (InputStream in = KernelImages.class.getResourceAsStream(resource)) {
                if (in == null) {
                    throw new CudaUnavailableException(
                            "this jar has no compiled kernel " + file + ": it was built on a machine without nvcc",
                            null);
                }
                return in.readAllBytes();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        };
    }
}
