/*
 * Rows in int8 with a scale each, for gemm_int8.cu: out[r, :] = round(x[r, :] / scale[r]), scale[r] = max|x[r, :]| / 127,
 * ties to even.
 *
 *   quantise_rows:  x = in
 *   silu_mul:       x = round(silu(gate_up[r, i]) * gate_up[r, n + i]): the result of silu_mul.cu
 *   rms_norm:       x = round(in[r, i] * weight[i] / sqrt(mean(in[r, :]^2) + eps)): the result of rms_norm.cu
 *   add_rms_norm:   the same after residual[r, :] = round(residual[r, :] + delta[r, :]), in place
 *
 *   out                          [rows, n or hidden]  int8
 *   scales                       [rows]               float
 *   in, residual, delta          [rows, n or hidden]  T
 *   gate_up                      [rows, 2 * n]        T: gates, then ups
 *   weight                       [hidden]             T
 *   n, hidden                    a multiple of 8 (gemm_int8.cu demands 16), at most 32 times the threads of a block
 *
 * Bits: as x rounded to T, then quantised (quantise.cuh); a row depends on itself alone, with rms_norm also on the number of
 * threads. Grid (rows), block: a multiple of 32, at least n / 32, at most 1024. Shared 256 bytes, with a norm 384, static.
 * Reference: EmulatedQuantiseTest, with executor.cpu.RowOps.normalize and executor.cpu.ScalarOps.gate.
 */
#include "quantise.cuh"

QUANTISE(int8_bf16, Int8, Bf16)
QUANTISE(int8_fp16, Int8, Fp16)
