package dev.sluice.executor.cuda.step;

import dev.sluice.executor.cuda.kernels.ElementFormat;
import dev.sluice.executor.cuda.products.DeviceMatrix;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;

/**
 * Rows of a pass that a matrix product reads, in whatever format its weights have: written anew for each product, so that
 * formats may share their memory.
 */
final class Activations {

    private final Map<ElementFormat, DeviceMatrix> views = new EnumMap<>(ElementFormat.class);

    /**
     * @param half address of the rows in 16 bits
     * @param scaled address of the rows in 8 bits
     * @param scales address of a float for each row
     */
    Activations(int rows, int columns, long half, long scaled, long scales) {
        for (ElementFormat format : ElementFormat.values()) {
            boolean isScaled = format.isScaled();
            views.put(format, new DeviceMatrix(isScaled ? scaled : half, rows, columns, format, isScaled ? scales : 0));
        }
    }

    /** The same object for each product. */
    DeviceMatrix in(ElementFormat format) {
        return Objects.requireNonNull(views.get(format));
    }

    long half() {
        return in(ElementFormat.HALF).address();
    }
}
