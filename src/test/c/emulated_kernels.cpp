/*
 * All kernels of src/main/cuda for the GPU of emulated_gpu.h, behind one function that is called as the driver's launch is:
 * a name, a grid, a block, dynamic shared memory and an array of pointers to the arguments.
 *
 *   g++ -O2 -std=c++17 -shared -fPIC -DSLUICE_EMULATED -Isrc/test/c -Isrc/main/cuda/include -Isrc/main/cuda/kernels ...
 */
#include "attention_prefill.cuh"
#include "gemm_scaled.cuh"
#include "gemm_wgmma.cuh"
#include "prefill_ring.cuh"
#include "quantise.cuh"
#include "ranking.cuh"
#include <utility>

// Each file is a translation unit of its own on a GPU; here a namespace.
namespace embed_file {
#include "embed.cu"
}
namespace rms_norm_file {
#include "rms_norm.cu"
}
namespace silu_mul_file {
#include "silu_mul.cu"
}
namespace rope_and_cache_file {
#include "rope_and_cache.cu"
}
namespace decode_file {
#include "paged_attention_decode.cu"
}
namespace prefill_file {
#include "paged_attention_prefill.cu"
#undef PREFILL
}
namespace prefill_wgmma_file {
#include "paged_attention_prefill_wgmma.cu"
}
namespace gemm_file {
#include "gemm.cu"
}
namespace gemm_skinny_file {
#include "gemm_skinny.cu"
}
namespace quantise_int8_file {
#include "quantise_int8.cu"
}
namespace quantise_fp8_file {
#include "quantise_fp8.cu"
}
namespace gemm_int8_file {
#include "gemm_int8.cu"
}
namespace gemm_fp8_file {
#include "gemm_fp8.cu"
}
namespace gemm_wgmma_file {
#include "gemm_wgmma.cu"
#undef GEMM_WGMMAS
}
namespace gemm_wgmma_int8_file {
#include "gemm_wgmma_int8.cu"
#undef GEMM_WGMMAS
}
namespace gemm_wgmma_fp8_file {
#include "gemm_wgmma_fp8.cu"
#undef GEMM_WGMMAS
}
namespace penalties_file {
#include "penalties.cu"
}
namespace sample_file {
#include "sample.cu"
}
namespace logprobs_file {
#include "logprobs.cu"
}

template <class... A, size_t... I>
static const char* launch(
    void (*kernel)(A...), dim3 grid, unsigned block, size_t shared, void** arguments, std::index_sequence<I...>) {
    int cluster = emulated::clusterOf(reinterpret_cast<const void*>(kernel));
    return emulated::launch(grid, block, shared, cluster, [=] { kernel(*static_cast<A*>(arguments[I])...); });
}

template <class... A>
static const char* launch(void (*kernel)(A...), dim3 grid, unsigned block, size_t shared, void** arguments) {
    return launch(kernel, grid, block, shared, arguments, std::index_sequence_for<A...>());
}

// Kernels that are wrong on purpose: what the emulation must see.
static void without_barrier(int* out) {
    begin_after_previous();
    __shared__ int cell[64];
    cell[threadIdx.x] = threadIdx.x;
    out[threadIdx.x] = cell[63 - threadIdx.x];
}

static void with_skipped_barrier(int* out) {
    begin_after_previous();
    if (threadIdx.x != 5) {
        __syncthreads();
    }
    out[threadIdx.x] = 1;
}

static void with_skipped_shuffle(int* out) {
    begin_after_previous();
    int v = threadIdx.x;
    if (threadIdx.x != 5) {
        v = __shfl_xor_sync(ALL_LANES, v, 1);
    }
    __syncthreads();
    out[threadIdx.x] = v;
}

static void without_wait(int* out) {
    begin_after_previous();
    __shared__ __align__(16) int cell[4];
    if (threadIdx.x == 0) {
        copy_async_16(cell, out, true);
        commit_copies();
    }
    __syncthreads();
    out[4 + threadIdx.x] = cell[threadIdx.x % 4];
}

static void beyond_shared(int* out) {
    begin_after_previous();
    SLUICE_DYNAMIC_SHARED(shared);
    shared[threadIdx.x] = 1;
    out[threadIdx.x] = 1;
}

static void without_previous(int* out) {
    if (threadIdx.x != 7) {
        begin_after_previous();
    }
    out[threadIdx.x] = 1;
}

static void with_missing_flag(int* out) {
    begin_after_previous();
    SLUICE_DYNAMIC_SHARED_1024(shared);
    u64* flag = reinterpret_cast<u64*>(shared);
    if (threadIdx.x == 0) {
        init_flag(flag, 2);
        flags_are_ready();
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        arrive(flag);
    }
    wait_for_phase(flag, 0);
    out[threadIdx.x] = 1;
}

static __cluster_dims__(2, 1, 1) void with_partner_that_has_ended(int* out) {
    begin_after_previous();
    SLUICE_DYNAMIC_SHARED_1024(shared);
    u64* flag = reinterpret_cast<u64*>(shared);
    if (threadIdx.x == 0) {
        init_flag(flag, 2);
        flags_are_ready();
    }
    meet_cluster();
    if (cluster_rank() == 1 && threadIdx.x == 0) {
        arrive_at(flag, 0);
        arrive_at(flag, 0);
    }
    out[threadIdx.x] = 1;
}

static __cluster_dims__(2, 1, 1) void with_partner_that_has_not_begun(int* out) {
    begin_after_previous();
    SLUICE_DYNAMIC_SHARED_1024(shared);
    u64* flag = reinterpret_cast<u64*>(shared);
    if (threadIdx.x == 0) {
        init_flag(flag, 1);
        flags_are_ready();
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        arrive_at(flag, 1 - cluster_rank());
    }
    meet_cluster();
    out[threadIdx.x] = 1;
}

static __cluster_dims__(2, 1, 1) void with_partner_too_many(int* out) {
    begin_after_previous();
    SLUICE_DYNAMIC_SHARED_1024(shared);
    u64* flag = reinterpret_cast<u64*>(shared);
    if (threadIdx.x == 0) {
        init_flag(flag, 2);
        arrive_at(flag, 2);
    }
    meet_cluster();
    out[threadIdx.x] = 1;
}

static __cluster_dims__(2, 1, 1) void with_skipped_cluster_barrier(int* out) {
    begin_after_previous();
    if (cluster_rank() == 0 || threadIdx.x != 5) {
        meet_cluster();
    }
    out[threadIdx.x] = 1;
}

/** From now on products of four warps round as if their 16 were added up in two steps; those of one warp do not. */
extern "C" void emulated_adds_in_halves(int value) {
    emulated::addsInHalves = value != 0;
}

/** Null if all went well, else what went wrong; null names no kernel: "no such kernel". */
extern "C" const char* emulated_launch(
    const char* name, unsigned x, unsigned y, unsigned z, unsigned block, unsigned shared, void** arguments) {
#define KERNEL(file, kernel)                                                                                           \
    if (strcmp(name, #kernel) == 0) {                                                                                  \
        return launch(file::kernel, dim3(x, y, z), block, shared, arguments);                                          \
    }
#define BOTH(file, before, after) KERNEL(file, before##bf16##after) KERNEL(file, before##fp16##after)
    KERNEL(embed_file, embed_16bit)
    BOTH(rms_norm_file, rms_norm_, )
    BOTH(rms_norm_file, add_rms_norm_, )
    BOTH(silu_mul_file, silu_mul_, )
    BOTH(rope_and_cache_file, rope_and_cache_, )
    KERNEL(decode_file, paged_attention_decode_bf16_16)
    KERNEL(decode_file, paged_attention_decode_bf16_32)
    BOTH(decode_file, paged_attention_decode_, _64)
    BOTH(decode_file, paged_attention_decode_, _128)
    BOTH(decode_file, paged_attention_decode_wide_, _64)
    BOTH(decode_file, paged_attention_decode_wide_, _128)
    BOTH(decode_file, paged_attention_reduce_, )
    KERNEL(prefill_file, paged_attention_prefill_bf16_16)
    KERNEL(prefill_file, paged_attention_prefill_bf16_32)
    BOTH(prefill_file, paged_attention_prefill_, _64)
    BOTH(prefill_file, paged_attention_prefill_, _128)
    BOTH(prefill_wgmma_file, paged_attention_prefill_wgmma_, _64)
    BOTH(prefill_wgmma_file, paged_attention_prefill_wgmma_, _128)
    BOTH(gemm_file, gemm_64x64_, )
    BOTH(gemm_file, gemm_64x64_, _f32)
    BOTH(gemm_file, gemm_128x128_, )
    BOTH(gemm_file, gemm_128x128_, _f32)
    BOTH(gemm_skinny_file, gemm_skinny8_, )
    BOTH(gemm_skinny_file, gemm_skinny8_, _f32)
    BOTH(gemm_skinny_file, gemm_skinny16_, )
    BOTH(gemm_skinny_file, gemm_skinny16_, _f32)
    BOTH(quantise_int8_file, quantise_rows_int8_, )
    BOTH(quantise_int8_file, silu_mul_int8_, )
    BOTH(quantise_int8_file, rms_norm_int8_, )
    BOTH(quantise_int8_file, add_rms_norm_int8_, )
    BOTH(gemm_int8_file, gemm_64x64_int8_, )
    KERNEL(gemm_int8_file, gemm_64x64_int8_f32)
    BOTH(gemm_int8_file, gemm_128x128_int8_, )
    KERNEL(gemm_int8_file, gemm_128x128_int8_f32)
    BOTH(gemm_int8_file, gemm_skinny8_int8_, )
    KERNEL(gemm_int8_file, gemm_skinny8_int8_f32)
    BOTH(gemm_int8_file, gemm_skinny16_int8_, )
    KERNEL(gemm_int8_file, gemm_skinny16_int8_f32)
    BOTH(quantise_fp8_file, quantise_rows_fp8_, )
    BOTH(quantise_fp8_file, silu_mul_fp8_, )
    BOTH(quantise_fp8_file, rms_norm_fp8_, )
    BOTH(quantise_fp8_file, add_rms_norm_fp8_, )
    BOTH(gemm_fp8_file, gemm_64x64_fp8_, )
    KERNEL(gemm_fp8_file, gemm_64x64_fp8_f32)
    BOTH(gemm_fp8_file, gemm_128x128_fp8_, )
    KERNEL(gemm_fp8_file, gemm_128x128_fp8_f32)
    BOTH(gemm_fp8_file, gemm_skinny8_fp8_, )
    KERNEL(gemm_fp8_file, gemm_skinny8_fp8_f32)
    BOTH(gemm_fp8_file, gemm_skinny16_fp8_, )
    KERNEL(gemm_fp8_file, gemm_skinny16_fp8_f32)
    BOTH(gemm_wgmma_file, gemm_wgmma_8x32_, )
    BOTH(gemm_wgmma_file, gemm_wgmma_8x32_, _f32)
    BOTH(gemm_wgmma_file, gemm_wgmma_8x32_, _silu_mul)
    BOTH(gemm_wgmma_int8_file, gemm_wgmma_8x32_int8_, )
    BOTH(gemm_wgmma_fp8_file, gemm_wgmma_8x32_fp8_, )
    BOTH(gemm_wgmma_file, gemm_wgmma_64x32_, )
    BOTH(gemm_wgmma_file, gemm_wgmma_64x32_, _f32)
    BOTH(gemm_wgmma_file, gemm_wgmma_64x32_, _silu_mul)
    BOTH(gemm_wgmma_int8_file, gemm_wgmma_64x32_int8_, )
    BOTH(gemm_wgmma_fp8_file, gemm_wgmma_64x32_fp8_, )
    BOTH(gemm_wgmma_file, gemm_wgmma_64x64_, )
    BOTH(gemm_wgmma_file, gemm_wgmma_64x64_, _f32)
    BOTH(gemm_wgmma_file, gemm_wgmma_64x64_, _silu_mul)
    BOTH(gemm_wgmma_int8_file, gemm_wgmma_64x64_int8_, )
    BOTH(gemm_wgmma_fp8_file, gemm_wgmma_64x64_fp8_, )
    BOTH(gemm_wgmma_file, gemm_wgmma_64x128_, )
    BOTH(gemm_wgmma_file, gemm_wgmma_64x128_, _f32)
    BOTH(gemm_wgmma_file, gemm_wgmma_64x128_, _silu_mul)
    BOTH(gemm_wgmma_int8_file, gemm_wgmma_64x128_int8_, )
    BOTH(gemm_wgmma_fp8_file, gemm_wgmma_64x128_fp8_, )
    BOTH(gemm_wgmma_file, gemm_wgmma_128x128_, )
    BOTH(gemm_wgmma_file, gemm_wgmma_128x128_, _f32)
    BOTH(gemm_wgmma_file, gemm_wgmma_128x128_, _silu_mul)
    BOTH(gemm_wgmma_int8_file, gemm_wgmma_128x128_int8_, )
    BOTH(gemm_wgmma_fp8_file, gemm_wgmma_128x128_fp8_, )
    BOTH(gemm_wgmma_file, gemm_wgmma_128x128_deep_, )
    BOTH(gemm_wgmma_file, gemm_wgmma_128x128_deep_, _f32)
    BOTH(gemm_wgmma_file, gemm_wgmma_128x128_deep_, _silu_mul)
    BOTH(gemm_wgmma_int8_file, gemm_wgmma_128x128_deep_int8_, )
    BOTH(gemm_wgmma_file, gemm_wgmma_128x192_, )
    BOTH(gemm_wgmma_file, gemm_wgmma_128x192_, _f32)
    BOTH(gemm_wgmma_file, gemm_wgmma_128x192_, _silu_mul)
    BOTH(gemm_wgmma_int8_file, gemm_wgmma_128x192_int8_, )
    BOTH(gemm_wgmma_file, gemm_wgmma_128x256_, )
    BOTH(gemm_wgmma_file, gemm_wgmma_128x256_, _f32)
    BOTH(gemm_wgmma_file, gemm_wgmma_128x256_, _silu_mul)
    BOTH(gemm_wgmma_int8_file, gemm_wgmma_128x256_int8_, )
    BOTH(gemm_wgmma_file, gemm_wgmma_128x128_pair_, )
    BOTH(gemm_wgmma_file, gemm_wgmma_128x128_pair_, _f32)
    BOTH(gemm_wgmma_file, gemm_wgmma_128x128_pair_, _silu_mul)
    BOTH(gemm_wgmma_int8_file, gemm_wgmma_128x128_pair_int8_, )
    BOTH(gemm_wgmma_file, gemm_wgmma_128x192_pair_, )
    BOTH(gemm_wgmma_file, gemm_wgmma_128x192_pair_, _f32)
    BOTH(gemm_wgmma_file, gemm_wgmma_128x192_pair_, _silu_mul)
    BOTH(gemm_wgmma_int8_file, gemm_wgmma_128x192_pair_int8_, )
    BOTH(gemm_wgmma_file, gemm_wgmma_128x256_pair_, )
    BOTH(gemm_wgmma_file, gemm_wgmma_128x256_pair_, _f32)
    BOTH(gemm_wgmma_file, gemm_wgmma_128x256_pair_, _silu_mul)
    BOTH(gemm_wgmma_int8_file, gemm_wgmma_128x256_pair_int8_, )
    BOTH(gemm_wgmma_fp8_file, gemm_wgmma_128x128_pair_fp8_, )
    KERNEL(penalties_file, adjust_logits)
    KERNEL(penalties_file, record_tokens)
    KERNEL(sample_file, sample_greedy)
    KERNEL(sample_file, sample)
    KERNEL(logprobs_file, logprobs)
#define WRONG(kernel)                                                                                                  \
    if (strcmp(name, #kernel) == 0) {                                                                                  \
        return launch(kernel, dim3(x, y, z), block, shared, arguments);                                                \
    }
    WRONG(without_barrier)
    WRONG(with_skipped_barrier)
    WRONG(with_skipped_shuffle)
    WRONG(without_wait)
    WRONG(beyond_shared)
    WRONG(with_missing_flag)
    WRONG(without_previous)
    WRONG(with_partner_that_has_ended)
    WRONG(with_partner_that_has_not_begun)
    WRONG(with_partner_too_many)
    WRONG(with_skipped_cluster_barrier)
    return "no such kernel";
}
