/*
 * The gate of the feed-forward network: out[r, i] = silu(gate_up[r, i]) * gate_up[r, n + i], silu(x) = x / (1 + exp(-x)).
 *
 *   out      [rows, n]       T
 *   gate_up  [rows, 2 * n]   T: gates, then ups
 *   n        a multiple of 8
 *
 * Two rows a thread, 8 elements of each, so that 64 bytes of it are on their way while others divide.
 * Grid (ceil(rows / 2), ceil(n / 2048)), block 256. Reference: executor.cpu.ScalarOps.gate.
 */
#include "gate.cuh"

constexpr int ROWS = 2;

template <class T>
__device__ __forceinline__ void silu_mul(uint4* out, const uint4* gate_up, int rows, int n) {
    begin_after_previous();
    int words = n / 8;
    int word = blockIdx.y * blockDim.x + threadIdx.x;
    if (word >= words) {
        return;
    }
    i64 first = static_cast<i64>(blockIdx.x) * ROWS;
    uint4 gates[ROWS];
    uint4 ups[ROWS];
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        i64 row = min(first + i, static_cast<i64>(rows - 1)); // behind the last, the last again: nobody waits for a branch
        gates[i] = gate_up[row * 2 * words + word];
        ups[i] = gate_up[row * 2 * words + words + word];
    }
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        if (first + i < rows) {
            out[(first + i) * words + word] = gate8<T>(gates[i], ups[i]);
        }
    }
}

SLUICE_KERNEL __launch_bounds__(256) silu_mul_bf16(uint4* out, const uint4* gate_up, int rows, int n) {
    silu_mul<Bf16>(out, gate_up, rows, n);
}

SLUICE_KERNEL __launch_bounds__(256) silu_mul_fp16(uint4* out, const uint4* gate_up, int rows, int n) {
    silu_mul<Fp16>(out, gate_up, rows, n);
}
