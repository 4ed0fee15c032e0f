package dev.sluice.executor.cuda;

import dev.sluice.executor.cuda.driver.CudaDevice;
import dev.sluice.executor.cuda.driver.CudaUnavailableException;
import dev.sluice.executor.cuda.kernels.ElementFormat;
import dev.sluice.executor.cuda.kernels.HalfType;
import dev.sluice.model.DataType;
import dev.sluice.model.ModelSpec;
import dev.sluice.model.Tensor;
import dev.sluice.model.WeightMap;
import java.util.List;

/** Which devices and models the kernels are made for. */
final class CudaShapes {

    private static final int MAJOR_MIN = 8; // asynchronous copies, and products of bf16
    private static final List<Integer> FP8_MAJORS = List.of(9, 10); // minor 0: what gemm_fp8.cu is compiled for
    private static final int UNIT = 16; // bytes that kernels load at once
    private static final int ROW_MAX = 32_768; // of rms_norm.cu and quantise.cuh: what a block holds in registers
    private static final int FP16_HEAD_DIM_MIN = 64;

    private CudaShapes() {}

    /** @throws CudaUnavailableException saying what cannot be served */
    static void check(CudaDevice device, ModelSpec model, ElementFormat linear) {
        if (device.major() < MAJOR_MIN) {
            throw new CudaUnavailableException(
                    device.name() + " has compute capability " + device.major() + "." + device.minor()
                            + ", but the CUDA executor needs " + MAJOR_MIN + ".0",
                    null);
        }
        if (linear == ElementFormat.FP8 && (device.minor() != 0 || !FP8_MAJORS.contains(device.major()))) {
            throw new CudaUnavailableException(
                    "fp8 needs compute capability 9.0 or 10.0, and " + device.name() + " has " + device.major() + "."
                            + device.minor() + ": set sluice.executor.cuda.quantization to none or int8",
                    null);
        }
        String demand = linear.isScaled() ? " with " + linear.label() : "";
        int unit = UNIT / linear.bytes();
        require(demand, "hidden_size", model.hiddenSize(), unit, ROW_MAX);
        int rowMax = linear.isScaled() ? ROW_MAX : Integer.MAX_VALUE;
        require(demand, "intermediate_size", model.intermediateSize(), unit, rowMax);
        require(demand, "num_attention_heads * head_dim", model.heads() * model.headDim(), unit, rowMax);
    }

    private static void require(String demand, String name, int size, int unit, int max) {
        if (size % unit != 0) {
            throw new CudaUnavailableException(
                    "the CUDA executor needs a " + name + " that is a multiple of " + unit + demand + ", not " + size,
                    null);
        }
        if (size > max) {
            throw new CudaUnavailableException(
                    "a " + name + " of " + size + " exceeds the CUDA executor's limit of " + max + demand, null);
        }
    }

    /** The format of the files if the device can compute in it, else bf16, which has the range of every other. */
    static HalfType type(ModelSpec model, WeightMap weights) {
        Tensor embedding = weights.find("model.embed_tokens.weight");
        boolean half = embedding != null && embedding.type() == DataType.F16;
        return half && model.headDim() >= FP16_HEAD_DIM_MIN ? HalfType.FP16 : HalfType.BF16;
    }

    /** Bytes of one block with all its layers: {@code [layer][K, V][kv head][slot][head dim]}. */
    static long blockBytes(ModelSpec model, int blockSize) {
        return 2L * Short.BYTES * model.layers() * model.kvHeads() * model.headDim() * blockSize;
    }
}
