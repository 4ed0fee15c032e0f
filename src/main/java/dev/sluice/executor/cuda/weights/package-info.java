/**
 * The model's weights on the device: {@code WeightTable} and {@code CudaWeights} say where they lie and in which format,
 * {@code WeightUpload} brings them there.
 */
@NullMarked
package dev.sluice.executor.cuda.weights;

import org.jspecify.annotations.NullMarked;
