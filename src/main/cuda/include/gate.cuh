/* The gate of the feed-forward network: of silu_mul.cu, and of products that store what it lets through. */
#pragma once
#include "types.cuh"

/**
 * silu(gate) * up, silu(x) = x / (1 + exp(-x)).
 *
 * The quotient is rounded once, as a division's is: by the steps that the compiler makes of one, but without its branch for
 * operands at the ends of the range, which would let a lane compute one quotient at a time. A quarter of both operands keeps
 * the reciprocal a normal number: exp(-x) grows to 2^128. Where the steps meet an infinity they leave NaN, and the first
 * approximation is the quotient: 0 for x below -88, and x for an x of infinity. Zero instead of subnormal exponentials changes
 * nothing, since 1 is added to them.
 */
__device__ __forceinline__ float silu_mul(float gate, float up) {
    constexpr float LOG2_E = 1.44269504f;
    float divisor = __fmaf_rn(exp2_fast(gate * -LOG2_E), 0.25f, 0.25f);
    float dividend = gate * 0.25f;
    float approximate = reciprocal_fast(divisor);
    float reciprocal = __fmaf_rn(approximate, __fmaf_rn(-divisor, approximate, 1), approximate);
    float quotient = dividend * reciprocal;
    quotient = __fmaf_rn(reciprocal, __fmaf_rn(-divisor, quotient, dividend), quotient);
    return (quotient == quotient ? quotient : dividend * approximate) * up;
}

/** Two neighbours in a word, of numbers that have been rounded to T: so the bits are the same whoever computes them. */
template <class T>
__device__ __forceinline__ u32 gate2(u32 gates, u32 ups) {
    float2 gate = unpack<T>(gates);
    float2 up = unpack<T>(ups);
    return pack<T>(silu_mul(gate.x, up.x), silu_mul(gate.y, up.y));
}

template <class T>
__device__ __forceinline__ uint4 gate8(uint4 gates, uint4 ups) {
    return make_uint4(gate2<T>(gates.x, ups.x), gate2<T>(gates.y, ups.y), gate2<T>(gates.z, ups.z),
                      gate2<T>(gates.w, ups.w));
}
