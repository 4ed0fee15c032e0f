/* The place of a thread in a ring of stages that others fill or empty. */
#pragma once
#include "types.cuh"

/** Which stage of the ring is next, and the parity of its phase. */
struct RingPlace {
    int stage = 0;
    u32 parity = 0;

    __device__ __forceinline__ void advance(int stages) {
        if (++stage == stages) {
            stage = 0;
            parity ^= 1;
        }
    }
};
