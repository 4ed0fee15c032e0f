package dev.sluice.model;

import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The tensors of a model by their Hugging Face names, for example {@code model.layers.0.mlp.up_proj.weight}. */
public interface WeightMap {

    Set<String> names();

    @Nullable
    Tensor find(String name);

    /**
     * The tensor of that name with exactly that shape.
     *
     * @throws ModelFormatException naming the tensor, if it is missing or has another shape
     */
    Tensor require(String name, long... shape);
}
