package dev.sluice.executor.cuda.driver;

/**
 * A GPU, as far as kernels are chosen and sized by it.
 *
 * @param handle the driver's
 * @param major of the compute capability, which decides what instructions there are
 * @param sharedMemoryBytes most shared memory that one block can ask for
 */
public record CudaDevice(
        int handle,
        String name,
        int major,
        int minor,
        int multiprocessors,
        int l2Bytes,
        int sharedMemoryBytes,
        long memoryBytes) {

    /** The attributes that are read, with the driver's numbers for them. */
    enum Attribute {
        MULTIPROCESSORS(16),
        L2_CACHE_BYTES(38),
        COMPUTE_CAPABILITY_MAJOR(75),
        COMPUTE_CAPABILITY_MINOR(76),
        SHARED_MEMORY_PER_BLOCK_OPTIN(97);

        private final int code;

        Attribute(int code) {
            this.code = code;
        }

        int code() {
            return code;
        }
    }

    /** Matrix products of four warps at a time are there in Hopper alone: what came later has other ones. */
    public boolean hasWgmma() {
        return major == 9;
    }

    /** For logs and health. */
    public String describe() {
        return name + " (compute capability " + major + "." + minor + ", " + multiprocessors + " multiprocessors, "
                + ByteSize.text(memoryBytes) + ")";
    }

    /** As compilers write it, such as {@code sm_90a}: with the letter where some instructions exist only so. */
    public String architecture() {
        boolean hasOwnInstructions = minor == 0 && (major == 9 || major == 10);
        return "sm_" + major + minor + (hasOwnInstructions ? "a" : "");
    }
}
