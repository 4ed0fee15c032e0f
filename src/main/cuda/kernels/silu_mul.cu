/*
 * The gate of the feed-forward network: out[r, i] = silu(gate_up[r, i]) * gate_up[r, n + i], silu(x) = x / (1 + exp(-x)).
 *
 *   out      [rows, n]       T
 *   gate_up  [rows, 2 * n]   T: gates, then ups
 *   n                        a multiple of 8
 *
 * Grid (rows, ceil(n / 2048)), block 256: 8 elements a thread. Reference: executor.cpu.ScalarOps.gate.
 */
#include "gate.cuh"

template <class T>
__device__ __forceinline__ void silu_mul(uint4* out, const uint4* gate_up, int n) {
    begin_after_previous();
    int words = n / 8;
    int word = blockIdx.y * blockDim.x + threadIdx.x;
    if (word >= words) {
        return;
    }
    i64 row = blockIdx.x;
    const uint4* gates = gate_up + row * 2 * words + word;
    out[row * words + word] = gate8<T>(*gates, gates[words]);
}

SLUICE_KERNEL __launch_bounds__(256) silu_mul_bf16(uint4* out, const uint4* gate_up, int n) {
    silu_mul<Bf16>(out, gate_up, n);
}

SLUICE_KERNEL __launch_bounds__(256) silu_mul_fp16(uint4* out, const uint4* gate_up, int n) {
    silu_mul<Fp16>(out, gate_up, n);
}
