/**
 * Matrix products of {@code DeviceMatrix} operands: {@code MatrixProducts} computes them by a {@code ProductKernel} that
 * {@code ProductTuning} has chosen by measuring, one of our own tiles or {@code CublasLt}.
 */
@NullMarked
package dev.sluice.executor.cuda.products;

import org.jspecify.annotations.NullMarked;
