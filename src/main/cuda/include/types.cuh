/*
 * Words, the 16-bit and 8-bit formats, and their conversions. No header of the toolkit is needed, so that the runtime compiler
 * can compile the kernels on a machine that has only the driver. With SLUICE_EMULATED a host compiler compiles them.
 *
 * Everything that is written in PTX lies in this file and in async_copy.cuh, bulk_copy.cuh, grid.cuh, mma.cuh and wgmma.cuh,
 * each with its host variant.
 */
#pragma once

#ifdef SLUICE_EMULATED
#include "emulated_gpu.h"
#define SLUICE_DYNAMIC_SHARED(name) unsigned char* name = emulated::dynamicShared()
#define SLUICE_DYNAMIC_SHARED_1024(name) SLUICE_DYNAMIC_SHARED(name)
#else
#define SLUICE_DYNAMIC_SHARED(name) extern __shared__ __align__(128) unsigned char name[]
// Where there is no static shared memory, and so nothing before it.
#define SLUICE_DYNAMIC_SHARED_1024(name) extern __shared__ __align__(1024) unsigned char name[]
#endif

#define SLUICE_KERNEL extern "C" __global__ void

#include "grid.cuh"

typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

constexpr int WARP = 32;
constexpr u32 ALL_LANES = 0xffffffffu;
// Minus infinity, not as 1/0: what reads it never computes infinity minus infinity without a guard.
#define MINUS_INFINITY __uint_as_float(0xff800000u)
#define NOT_A_NUMBER __uint_as_float(0x7fffffffu)

struct Bf16 {
    typedef float Sum; // what products are added up in
    u16 bits;
};

struct Fp16 {
    typedef float Sum;
    u16 bits;
};

struct Int8 {
    typedef int Sum;
    static constexpr float MAX = 127; // symmetric: -128 is not used
    signed char bits;
};

/** Four bits of exponent, three of mantissa, no infinity; on a GPU only from sm_89 on. */
struct E4m3 {
    typedef float Sum;
    static constexpr float MAX = 448;
    unsigned char bits;
};

__device__ __forceinline__ float to_float(Bf16 v) {
    return __uint_as_float(static_cast<u32>(v.bits) << 16);
}

__device__ __forceinline__ float to_float(Fp16 v) {
#ifdef SLUICE_EMULATED
    return static_cast<float>(bitsAs<_Float16>(v.bits));
#else
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(v.bits));
    return f;
#endif
}

/** Rounds to the nearest, ties to even. */
template <class T>
__device__ __forceinline__ T from_float(float f);

template <>
__device__ __forceinline__ Bf16 from_float<Bf16>(float f) {
#ifdef SLUICE_EMULATED
    u32 bits = __float_as_uint(f);
    if (f != f) {
        return {0x7fff};
    }
    return {static_cast<u16>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16)};
#else
    Bf16 v;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(v.bits) : "f"(f));
    return v;
#endif
}

template <>
__device__ __forceinline__ Fp16 from_float<Fp16>(float f) {
#ifdef SLUICE_EMULATED
    return {bitsAs<u16>(static_cast<_Float16>(f))};
#else
    Fp16 v;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(v.bits) : "f"(f));
    return v;
#endif
}

template <>
__device__ __forceinline__ float from_float<float>(float f) {
    return f;
}

#ifdef SLUICE_EMULATED
inline int to_sum(Int8 v) {
    return v.bits;
}

inline float to_sum(E4m3 v) {
    int exponent = v.bits >> 3 & 15;
    int mantissa = v.bits & 7;
    float size = exponent == 0 ? ldexpf(mantissa, -9) : ldexpf(8 + mantissa, exponent - 10);
    return copysignf((v.bits & 0x7f) == 0x7f ? NAN : size, v.bits & 0x80 ? -1 : 1);
}

inline float to_sum(Bf16 v) {
    return to_float(v);
}

inline float to_sum(Fp16 v) {
    return to_float(v);
}

inline u32 to_e4m3(float f) {
    u32 sign = __float_as_uint(f) >> 24 & 0x80;
    if (f != f) {
        return 0x7f;
    }
    float size = fminf(fabsf(f), E4m3::MAX);
    int exponent = size < 0x1p-6f ? -6 : ilogbf(size);
    int eighths = static_cast<int>(nearbyintf(ldexpf(size, 3 - exponent))); // ties to even; 16 carries over
    return sign | static_cast<u32>((exponent + 6) * 8 + eighths);
}
#endif

/** 2^f in one instruction, with a relative error of 2^-22; zero instead of subnormal results. */
__device__ __forceinline__ float exp2_fast(float f) {
#ifdef SLUICE_EMULATED
    return exp2f(f);
#else
    float e;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(e) : "f"(f));
    return e;
#endif
}

/** 1 / f in one instruction, with an error of one in the last place; zero instead of subnormal results. */
__device__ __forceinline__ float reciprocal_fast(float f) {
#ifdef SLUICE_EMULATED
    float r = nextafterf(1 / f, 1); // so that what needs the rounded one is seen
    return fabsf(r) < 0x1p-126f ? 0 : r;
#else
    float r;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(f));
    return r;
#endif
}

/** Two numbers in a word, the first in the lower half: as they lie in memory. */
template <class T>
__device__ __forceinline__ u32 pack(float first, float second) {
    return from_float<T>(first).bits | static_cast<u32>(from_float<T>(second).bits) << 16;
}

#ifndef SLUICE_EMULATED
template <>
__device__ __forceinline__ u32 pack<Bf16>(float first, float second) {
    u32 word;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(second), "f"(first));
    return word;
}

template <>
__device__ __forceinline__ u32 pack<Fp16>(float first, float second) {
    u32 word;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(second), "f"(first));
    return word;
}
#endif

template <class T>
__device__ __forceinline__ float2 unpack(u32 word) {
    return make_float2(to_float(T{static_cast<u16>(word)}), to_float(T{static_cast<u16>(word >> 16)}));
}

/** Eight numbers from 16 bytes. */
template <class T>
__device__ __forceinline__ void unpack8(uint4 words, float* values) {
    u32 word[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
        float2 pair = unpack<T>(word[i]);
        values[2 * i] = pair.x;
        values[2 * i + 1] = pair.y;
    }
}

template <class T>
__device__ __forceinline__ uint4 pack8(const float* v) {
    return make_uint4(pack<T>(v[0], v[1]), pack<T>(v[2], v[3]), pack<T>(v[4], v[5]), pack<T>(v[6], v[7]));
}

/** Four numbers of 8 bits in a word, the first in the lowest byte; rounded to the nearest, ties to even. */
template <class Q>
__device__ __forceinline__ u32 pack4(float a, float b, float c, float d);

/** The numbers are within -128 and 127; NaN becomes 0. */
template <>
__device__ __forceinline__ u32 pack4<Int8>(float a, float b, float c, float d) {
    return (__float2int_rn(a) & 0xffu) | (__float2int_rn(b) & 0xffu) << 8 | (__float2int_rn(c) & 0xffu) << 16
           | (__float2int_rn(d) & 0xffu) << 24;
}

/** What is larger than the largest becomes the largest; NaN stays NaN. Only from sm_89 on. */
template <>
__device__ __forceinline__ u32 pack4<E4m3>(float a, float b, float c, float d) {
#ifdef SLUICE_EMULATED
    return to_e4m3(a) | to_e4m3(b) << 8 | to_e4m3(c) << 16 | to_e4m3(d) << 24;
#else
    u16 low, high;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(low) : "f"(b), "f"(a));
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(high) : "f"(d), "f"(c));
    return low | static_cast<u32>(high) << 16;
#endif
}
