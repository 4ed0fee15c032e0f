/*
 * How the keys of a decoding row are divided among blocks: by the row's own length and window alone, so that its result
 * does not depend on the rest of the batch. decode and its reduction must agree, so both ask here.
 */
#pragma once

constexpr int SPLITS_MAX = 32; // with 8 kv heads one long sequence fills 256 of an H200's 264 places for blocks
constexpr int SPLIT_KEYS_MIN = 256; // fewer would make the partial results more than 3 % of the bytes read

struct Split {
    int first, end; // keys that are visible
    int start;      // first, rounded down to a tile: the first split begins here
    int keys;       // of a split, a multiple of 64
    int count;

    /** @param window keys a row attends to, itself included; 0 is all */
    __device__ __forceinline__ Split(int length, int window) {
        first = window > 0 && length > window ? length - window : 0;
        end = length;
        start = first / 16 * 16;
        int span = end - start;
        int share = (span + SPLITS_MAX - 1) / SPLITS_MAX;
        keys = share <= SPLIT_KEYS_MIN ? SPLIT_KEYS_MIN : (share + 63) / 64 * 64;
        count = (span + keys - 1) / keys;
    }
};
