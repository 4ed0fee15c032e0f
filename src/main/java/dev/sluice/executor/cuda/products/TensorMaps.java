package dev.sluice.executor.cuda.products;

import dev.sluice.executor.cuda.driver.CudaContext;
import dev.sluice.executor.cuda.driver.TensorMap;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.IdentityHashMap;

/** The maps of all matrices that have been asked for: a matrix keeps its place, so one is made once. */
final class TensorMaps {

    private static final int BOXES = 7; // powers of two up to 64 rows

    private final CudaContext context;
    private final Arena arena;
    private final IdentityHashMap<DeviceMatrix, MemorySegment[]> maps = new IdentityHashMap<>();

    /** @param arena owns the maps */
    TensorMaps(CudaContext context, Arena arena) {
        this.context = context;
        this.arena = arena;
    }

    /** @param boxRows rows that one copy brings, a power of two of at most 64 */
    MemorySegment of(DeviceMatrix matrix, int boxRows) {
        MemorySegment[] known = maps.get(matrix);
        if (known == null) {
            known = new MemorySegment[BOXES];
            maps.put(matrix, known);
        }
        int index = Integer.numberOfTrailingZeros(boxRows);
        MemorySegment map = known[index];
        if (map == null) {
            map = TensorMap.encode(
                    context,
                    arena,
                    matrix.address(),
                    matrix.rows(),
                    matrix.columns(),
                    matrix.format().bytes(),
                    boxRows);
            known[index] = map;
        }
        return map;
    }
}
