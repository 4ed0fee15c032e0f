/*
 * Words, the two 16-bit formats, and their conversions. No header of the toolkit is needed, so that the runtime compiler
 * can compile the kernels on a machine that has only the driver. With SLUICE_EMULATED a host compiler compiles them.
 *
 * Everything that is written in PTX lies in this file and in async_copy.cuh and mma.cuh, each with its host variant.
 */
#pragma once

#ifdef SLUICE_EMULATED
#include "emulated_gpu.h"
#define SLUICE_DYNAMIC_SHARED(name) unsigned char* name = emulated::dynamicShared
#else
#define SLUICE_DYNAMIC_SHARED(name) extern __shared__ __align__(128) unsigned char name[]
#endif

#define SLUICE_KERNEL extern "C" __global__ void

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
    u16 bits;
};

struct Fp16 {
    u16 bits;
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
