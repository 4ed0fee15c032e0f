package dev.sluice.executor.cuda.products;

import dev.sluice.executor.cuda.kernels.ElementFormat;

/**
 * An operand of a matrix product on the device, row-major without padding: weights, or rows of a pass.
 *
 * @param rows of weights all of them, of a pass as many as there is room for
 * @param scales address of a float for each row; 0 if the format has none
 */
public record DeviceMatrix(long address, int rows, int columns, ElementFormat format, long scales) {}
