package dev.sluice.executor.cuda.weights;

import dev.sluice.executor.cuda.kernels.ElementFormat;
import dev.sluice.model.ModelSpec;
import dev.sluice.model.Quantization;
import dev.sluice.model.Tensor;
import dev.sluice.model.WeightMap;

/**
 * In which format each linear layer is computed: what the checkpoint says, or what was chosen instead.
 *
 * @param target of layers that are quantized
 * @param all layers that the checkpoint has left in 16 bits are quantized too
 */
public record LinearFormats(ElementFormat target, boolean all, WeightMap weights) {

    public static LinearFormats of(QuantizationChoice choice, ModelSpec model, WeightMap weights) {
        return switch (choice) {
            case AUTO -> new LinearFormats(target(model.quantization()), false, weights);
            case NONE -> new LinearFormats(ElementFormat.HALF, false, weights);
            case INT8 -> new LinearFormats(ElementFormat.INT8, true, weights);
            case FP8 -> new LinearFormats(ElementFormat.FP8, true, weights);
        };
    }

    private static ElementFormat target(Quantization quantization) {
        return switch (quantization) {
            case INT8_DYNAMIC -> ElementFormat.INT8;
            case FP8_DYNAMIC -> ElementFormat.FP8;
            case NONE, INT8, FP8 -> ElementFormat.HALF;
        };
    }

    /** The format of a matrix that is made of some tensors: 8 bits only if all of them have it, or get it. */
    ElementFormat of(String... names) {
        if (!all) {
            for (String name : names) {
                Tensor tensor = weights.find(name);
                if (tensor == null || tensor.type() != target.stored()) {
                    return ElementFormat.HALF;
                }
            }
        }
        return target;
    }

    /** Different for whatever makes different keys and values of the same checkpoint. */
    public String label() {
        return target == ElementFormat.HALF ? "" : "-" + target.label() + (all ? "-all" : "");
    }
}
