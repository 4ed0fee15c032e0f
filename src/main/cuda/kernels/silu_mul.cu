/*
 * The gate of the feed-forward network: out[r, i] = silu(gate_up[r, i]) * gate_up[r, n + i], silu(x) = x / (1 + exp(-x)).
 *
 *   out      [rows, n]       T
 *   gate_up  [rows, 2 * n]   T: gates, then ups
 *   n                        a multiple of 8
 *
 * Grid (rows, ceil(n / 2048)), block 256: 8 elements a thread. Reference: executor.cpu.ScalarOps.gate.
 */
#include "types.cuh"

template <class T>
__device__ __forceinline__ void silu_mul(uint4* out, const uint4* gate_up, int n) {
    int words = n / 8;
    int word = blockIdx.y * blockDim.x + threadIdx.x;
    if (word >= words) {
        return;
    }
    i64 row = blockIdx.x;
    float gate[8];
    float up[8];
    unpack8<T>(__ldg(gate_up + row * 2 * words + word), gate);
    unpack8<T>(__ldg(gate_up + row * 2 * words + words + word), up);
    for (int i = 0; i < 8; i++) {
        // exp(-x) overflows to infinity for x below -88, and the quotient is then 0, as it should be: a true division.
        gate[i] = gate[i] / (1 + __expf(-gate[i])) * up[i];
    }
    out[row * words + word] = pack8<T>(gate);
}

SLUICE_KERNEL __launch_bounds__(256) silu_mul_bf16(uint4* out, const uint4* gate_up, int n) {
    silu_mul<Bf16>(out, gate_up, n);
}

SLUICE_KERNEL __launch_bounds__(256) silu_mul_fp16(uint4* out, const uint4* gate_up, int n) {
    silu_mul<Fp16>(out, gate_up, n);
}
