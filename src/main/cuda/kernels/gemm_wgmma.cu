/*
 * Matrix product on the tensor cores of sm_90a: C[M, N] = A[M, K] * W[N, K]^T, fp32 sums.
 *
 *   c      [M, N]  T, or float for logits (names with _f32), or [M, N / 2] T for gates (names with _silu_mul)
 *   a      map of [at least M, K]  T, boxes of 64 k and a_box rows; rows behind M are copied at most to the end of a box
 *   w      map of [N, K]  T, row-major: as checkpoints have it; boxes of 64 k and 32 rows
 *   K      a multiple of 8; M, N any, but N a multiple of 16 for gates; addresses multiples of 16; maps with a swizzle of
 *          128 bytes
 *   a_box  8 or 64 rows; 8 for the tile of 8 rows
 *
 * One warp lets the copy engine fill a ring of stages of 64 k; every 64 rows of a tile have four warps for the products.
 * Blocks take tile after tile, so that the ring is filled for the next one while a tile is stored.
 *   gemm_wgmma_8x32          block 160, shared 112,992 bytes (22 stages): M at most 8, bound by the bytes of the weights
 *   gemm_wgmma_64x32         block 160, shared  98,432 bytes (8 stages): few rows
 *   gemm_wgmma_64x64         block 160, shared  98,432 bytes (6 stages)
 *   gemm_wgmma_64x128        block 160, shared  98,432 bytes (4 stages)
 *   gemm_wgmma_128x128       block 288, shared  98,432 bytes (3 stages)
 *   gemm_wgmma_128x128_deep  block 288, shared 196,704 bytes (6 stages)
 *   gemm_wgmma_128x192       block 288, shared 204,880 bytes (5 stages)
 *   gemm_wgmma_128x256       block 288, shared 196,672 bytes (4 stages)
 *   gemm_wgmma_128x128_pair  block 288, shared 196,704 bytes (6 stages), clusters of 2
 *   gemm_wgmma_128x192_pair  block 288, shared 204,880 bytes (5 stages), clusters of 2
 *   gemm_wgmma_128x256_pair  block 288, shared 196,672 bytes (4 stages), clusters of 2
 * Grid: at most ceil(M / rows) * ceil(N / columns) blocks, for clusters ceil(M / rows) * ceil(N / columns / 2) times 2 and a
 * multiple of 2; what fits on the device at a time is enough. The blocks of a cluster share their rows of A: each brings a half
 * of them to both.
 *
 * _silu_mul: W's rows are gates and ups in turn, eight of each: rows 16i .. 16i + 7 are the gates of results 8i .. 8i + 7, rows
 * 16i + 8 .. 16i + 15 their ups. c[m, i] = silu(gate) * up of sums that have been rounded to T, so its bits are those of
 * silu_mul.cu after the product.
 *
 * Bits: k in steps of 16 ascending, so a row of C depends on its row of A and on W alone, and is the same from all
 * eleven. Not the same as from gemm.cu. Reference: executor.cpu.ScalarOps.multiplyTile.
 */
// architectures: sm_90a
#include "gemm_wgmma.cuh"

#define GEMM_WGMMAS(name, T, Out)                                                                                      \
    GEMM_WGMMA(8x32, name, T, Out, 8, 32, 22, 2)                                                                       \
    GEMM_WGMMA(64x32, name, T, Out, 64, 32, 8, 2)                                                                      \
    GEMM_WGMMA(64x64, name, T, Out, 64, 64, 6, 2)                                                                      \
    GEMM_WGMMA(64x128, name, T, Out, 64, 128, 4, 2)                                                                    \
    GEMM_WGMMA(128x128, name, T, Out, 128, 128, 3, 2)                                                                  \
    GEMM_WGMMA(128x128_deep, name, T, Out, 128, 128, 6, 1)                                                             \
    GEMM_WGMMA(128x192, name, T, Out, 128, 192, 5, 1)                                                                  \
    GEMM_WGMMA(128x256, name, T, Out, 128, 256, 4, 1)                                                                  \
    GEMM_WGMMA_PAIR(128x128_pair, name, T, Out, 128, 128, 6, 1)                                                        \
    GEMM_WGMMA_PAIR(128x192_pair, name, T, Out, 128, 192, 5, 1)                                                        \
    GEMM_WGMMA_PAIR(128x256_pair, name, T, Out, 128, 256, 4, 1)

GEMM_WGMMAS(bf16, Bf16, Bf16)
GEMM_WGMMAS(bf16_f32, Bf16, float)
GEMM_WGMMAS(bf16_silu_mul, Bf16, SiluMul<Bf16>)
GEMM_WGMMAS(fp16, Fp16, Fp16)
GEMM_WGMMAS(fp16_f32, Fp16, float)
GEMM_WGMMAS(fp16_silu_mul, Fp16, SiluMul<Fp16>)
