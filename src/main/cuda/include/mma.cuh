/*
 * The tensor cores' matrix product of one warp, D[16,8] += A[16,16] * B[16,8], and the loads of its fragments.
 *
 * With g = lane / 4 and t = lane % 4, two neighbouring k in a word, a lane holds
 *   A: a[0] row g, k 2t   a[1] row g+8, k 2t   a[2] row g, k 2t+8   a[3] row g+8, k 2t+8
 *   B: b[0] column g, k 2t   b[1] column g, k 2t+8
 * With elements of 8 bits there are 32 k and four in a word: read 4t for 2t and 16 for 8.
 *   D: d[0], d[1] row g, columns 2t, 2t+1   d[2], d[3] row g+8, the same columns
 */
#pragma once
#include "types.cuh"

#ifdef SLUICE_EMULATED
template <class T>
struct EmulatedMma {
    const u32 *a, *b;
    typename T::Sum* d;
};

template <class T>
inline typename T::Sum as_kept(T, typename T::Sum sum) {
    return sum;
}

/** Of sums of e4m3 products the tensor cores of sm_89 keep 13 bits of mantissa. */
inline float as_kept(E4m3, float sum) {
    return __uint_as_float(__float_as_uint(sum) & ~0x3ffu);
}

template <class T>
inline void emulated_mma(void** lanes, int) {
    constexpr int PER_WORD = 4 / sizeof(T);
    constexpr int DEPTH = 8 * PER_WORD;
    typename T::Sum a[16][DEPTH], b[DEPTH][8];
    for (int lane = 0; lane < 32; lane++) {
        const auto& mine = *static_cast<EmulatedMma<T>*>(lanes[lane]);
        int g = lane / 4, t = lane % 4;
        T elements[6][PER_WORD];
        memcpy(elements, mine.a, 16);
        memcpy(elements[4], mine.b, 8);
        for (int i = 0; i < PER_WORD; i++) {
            for (int word = 0; word < 4; word++) {
                a[g + 8 * (word % 2)][t * PER_WORD + DEPTH / 2 * (word / 2) + i] = to_sum(elements[word][i]);
            }
            for (int word = 0; word < 2; word++) {
                b[t * PER_WORD + DEPTH / 2 * word + i][g] = to_sum(elements[4 + word][i]);
            }
        }
    }
    typename T::Sum d[16][8] = {};
    for (int row = 0; row < 16; row++) {
        for (int k = 0; k < DEPTH; k++) {
            for (int column = 0; column < 8; column++) {
                d[row][column] += a[row][k] * b[k][column];
            }
        }
    }
    for (int lane = 0; lane < 32; lane++) {
        for (int i = 0; i < 4; i++) {
            auto& sum = static_cast<EmulatedMma<T>*>(lanes[lane])->d[i];
            sum = as_kept(T(), sum + d[lane / 4 + 8 * (i / 2)][2 * (lane % 4) + i % 2]);
        }
    }
}
#endif

template <class T>
__device__ __forceinline__ void mma(typename T::Sum (&d)[4], const u32 (&a)[4], u32 b0, u32 b1);

#ifdef SLUICE_EMULATED
template <class T>
__device__ __forceinline__ void mma(typename T::Sum (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    u32 b[2] = {b0, b1};
    EmulatedMma<T> mine{a, b, d};
    emulated::meet(__LINE__, &mine, emulated_mma<T>);
}
#else
#define SLUICE_MMA(T, shape, types, constraint)                                                                        \
    template <>                                                                                                        \
    __device__ __forceinline__ void mma<T>(T::Sum(&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {                         \
        asm volatile("mma.sync.aligned." shape ".row.col." types " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "            \
                     "{%0,%1,%2,%3};"                                                                                  \
                     : "+" constraint(d[0]), "+" constraint(d[1]), "+" constraint(d[2]), "+" constraint(d[3])          \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));                                  \
    }

SLUICE_MMA(Bf16, "m16n8k16", "f32.bf16.bf16.f32", "f")
SLUICE_MMA(Fp16, "m16n8k16", "f32.f16.f16.f32", "f")
SLUICE_MMA(Int8, "m16n8k32", "s32.s8.s8.s32", "r")
SLUICE_MMA(E4m3, "m16n8k32", "f32.e4m3.e4m3.f32", "f")
#undef SLUICE_MMA
#endif

#ifdef SLUICE_EMULATED
struct EmulatedTiles {
    const u16* row;
    u32* words;
};

inline void emulated_load_tiles(void** lanes, bool transposed) {
    for (int lane = 0; lane < 32; lane++) {
        for (int tile = 0; tile < 4; tile++) {
            u32 word = 0;
            for (int i = 0; i < 2; i++) {
                int row = transposed ? 2 * (lane % 4) + i : lane / 4;
                int column = transposed ? lane / 4 : 2 * (lane % 4) + i;
                u32 element = static_cast<EmulatedTiles*>(lanes[8 * tile + row])->row[column];
                word |= element << 16 * i;
            }
            static_cast<EmulatedTiles*>(lanes[lane])->words[tile] = word;
        }
    }
}
#endif

/**
 * Four 8x8 tiles of 16-bit elements from shared memory. Lane i names row i % 8 of tile i / 8: 16 bytes, aligned. Word j of
 * a lane is from tile j: row g, columns 2t and 2t+1.
 */
__device__ __forceinline__ void load_tiles(u32 (&words)[4], const void* row) {
#ifdef SLUICE_EMULATED
    emulated::checkAligned(row, __LINE__);
    EmulatedTiles mine{static_cast<const u16*>(row), words};
    emulated::meet(__LINE__, &mine, [](void** lanes, int) { emulated_load_tiles(lanes, false); });
#else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                 : "r"(static_cast<u32>(__cvta_generic_to_shared(row)))
                 : "memory");
#endif
}

/** The same, each tile transposed: word j of a lane is from tile j: column g, rows 2t and 2t+1. */
__device__ __forceinline__ void load_tiles_transposed(u32 (&words)[4], const void* row) {
#ifdef SLUICE_EMULATED
    emulated::checkAligned(row, __LINE__);
    EmulatedTiles mine{static_cast<const u16*>(row), words};
    emulated::meet(__LINE__, &mine, [](void** lanes, int) { emulated_load_tiles(lanes, true); });
#else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                 : "r"(static_cast<u32>(__cvta_generic_to_shared(row)))
                 : "memory");
#endif
}
