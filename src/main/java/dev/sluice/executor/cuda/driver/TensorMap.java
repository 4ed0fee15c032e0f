package dev.sluice.executor.cuda.driver;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** Row-major matrices as the copy engine of sm_90 knows them: what kernels take as a {@code TensorMap} (bulk_copy.cuh). */
public final class TensorMap {

    /** Bytes of a map, to be given to kernels by value. */
    public static final int BYTES = 128;

    public static final int ALIGNMENT = 64;

    /** Bytes of a row that one copy brings: as many as are swizzled. */
    private static final int BOX_ROW_BYTES = 128;

    private static final int UNSIGNED_BYTES = 0;
    private static final int UNSIGNED_SHORTS = 1;
    private static final int SWIZZLE_128_BYTES = 3;
    private static final int PROMOTE_TO_256_BYTES = 3; // of what L2 fetches: neighbouring boxes follow soon

    private TensorMap() {}

    /**
     * Describes a matrix to be copied in boxes of 128 bytes of so many rows.
     *
     * @param arena owns the map
     * @param address of the first element, a multiple of 16
     * @param columns elements of a row, which takes a multiple of 16 bytes
     * @param elementBytes 1 or 2
     * @throws CudaUnavailableException if the driver is too old
     */
    public static MemorySegment encode(
            CudaContext context, Arena arena, long address, long rows, long columns, int elementBytes, int boxRows) {
        MethodHandle encode = context.memoryCalls().encodeMap();
        if (encode == null) {
            throw new CudaUnavailableException("the driver has no cuTensorMapEncodeTiled: it is too old", null);
        }
        MemorySegment map = arena.allocate(BYTES, ALIGNMENT);
        try (Arena local = Arena.ofConfined()) {
            int code = (int) encode.invokeExact(
                    map,
                    elementBytes == 1 ? UNSIGNED_BYTES : UNSIGNED_SHORTS,
                    2,
                    address,
                    local.allocateFrom(JAVA_LONG, columns, rows),
                    local.allocateFrom(JAVA_LONG, columns * elementBytes),
                    local.allocateFrom(JAVA_INT, BOX_ROW_BYTES / elementBytes, boxRows),
                    local.allocateFrom(JAVA_INT, 1, 1),
                    0,
                    SWIZZLE_128_BYTES,
                    PROMOTE_TO_256_BYTES,
                    0);
            context.check(code, "cuTensorMapEncodeTiled");
            return map;
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }
}
