package dev.sluice.model;

import java.util.Arrays;
import java.util.Collections;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Tensors by name, from however many files. */
final class TensorTable implements WeightMap {

    private final Map<String, Tensor> tensors;

    TensorTable(SequencedMap<String, Tensor> tensors) {
        this.tensors = Collections.unmodifiableMap(tensors);
    }

    @Override
    public Set<String> names() {
        return tensors.keySet();
    }

    @Override
    public @Nullable Tensor find(String name) {
        return tensors.get(name);
    }

    @Override
    public Tensor require(String name, long... shape) {
        Tensor tensor = tensors.get(name);
        if (tensor == null) {
            throw missing(name);
        }
        if (!Arrays.equals(tensor.shape(), shape)) {
            throw wrongShape(tensor, shape);
        }
        return tensor;
    }

    static ModelFormatException missing(String name) {
        return new ModelFormatException("Tensor " + Echo.of(name) + " is missing.");
    }

    static ModelFormatException wrongShape(Tensor tensor, long... shape) {
        return new ModelFormatException("Tensor " + Echo.of(tensor.name()) + " has the shape "
                + Arrays.toString(tensor.shape()) + ", but must have " + Arrays.toString(shape) + ".");
    }
}
