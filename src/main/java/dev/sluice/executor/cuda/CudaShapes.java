package dev.sluice.executor.cuda;

import dev.sluice.model.DataType;
import dev.sluice.model.ModelSpec;
import dev.sluice.model.Tensor;
import dev.sluice.model.WeightMap;

/** Which devices and models the kernels are made for. */
final class CudaShapes {

    private static final int MAJOR_MIN = 8; // asynchronous copies, and products of bf16
    private static final int UNIT = 8; // numbers of 16 bytes: what kernels load at once
    private static final int HIDDEN_MAX = 32_768; // of rms_norm.cu
    private static final int FP16_HEAD_DIM_MIN = 64;

    private CudaShapes() {}

    /** @throws CudaUnavailableException saying what cannot be served */
    static void check(CudaDevice device, ModelSpec model) {
        if (device.major() < MAJOR_MIN) {
            throw new CudaUnavailableException(
                    device.name() + " has compute capability " + device.major() + "." + device.minor()
                            + ", but the CUDA executor needs " + MAJOR_MIN + ".0",
                    null);
        }
        require("hidden_size", model.hiddenSize());
        require("intermediate_size", model.intermediateSize());
        if (model.hiddenSize() > HIDDEN_MAX) {
            throw new CudaUnavailableException(
                    "a hidden_size of " + model.hiddenSize() + " exceeds the CUDA executor's limit of " + HIDDEN_MAX,
                    null);
        }
    }

    private static void require(String name, int size) {
        if (size % UNIT != 0) {
            throw new CudaUnavailableException(
                    "the CUDA executor needs a " + name + " that is a multiple of " + UNIT + ", not " + size, null);
        }
    }

    /** The format of the files if the device can compute in it, else bf16, which has the range of every other. */
    static HalfType type(ModelSpec model, WeightMap weights) {
        Tensor embedding = weights.find("model.embed_tokens.weight");
        boolean half = embedding != null && embedding.type() == DataType.F16;
        return half && model.headDim() >= FP16_HEAD_DIM_MIN ? HalfType.FP16 : HalfType.BF16;
    }

    static CudaAttention.Shape attention(ModelSpec model, int blockSize) {
        return new CudaAttention.Shape(
                model.layers(), model.heads(), model.kvHeads(), model.headDim(), model.slidingWindow(), blockSize);
    }

    /** Bytes of one block with all its layers: {@code [layer][K, V][kv head][slot][head dim]}. */
    static long blockBytes(ModelSpec model, int blockSize) {
        return 2L * Short.BYTES * model.layers() * model.kvHeads() * model.headDim() * blockSize;
    }
}
