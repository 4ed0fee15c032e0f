/*
 * Rows of the embedding matrix: out[r, :] = table[ids[r], :]. Bits are moved, so any 16-bit format will do.
 *
 *   out    [rows, hidden]         16-bit
 *   table  [vocabulary, hidden]   16-bit
 *   ids    [rows]                 int; -1 - i stands for sampled[i], if there is such a list
 *   sampled                       int; what the step before has left: tokens that the host does not know yet; or null
 *   hidden                        a multiple of 8
 *
 * An id outside the vocabulary reads row 0: a sampled -1 must not read elsewhere.
 *
 * Grid (rows), block 256. Reference: the embedding rows of executor.cpu.DecoderForward.
 */
#include "types.cuh"

SLUICE_KERNEL __launch_bounds__(256) embed_16bit(uint4* out, const uint4* table, const int* ids, const int* sampled,
                                                 int hidden, int vocabulary) {
    begin_after_previous();
    int id = ids[blockIdx.x];
    id = id < 0 && sampled != nullptr ? sampled[-1 - id] : id;
    id = id >= 0 && id < vocabulary ? id : 0;
    int words = hidden / 8;
    const uint4* from = table + static_cast<i64>(id) * words;
    uint4* to = out + static_cast<i64>(blockIdx.x) * words;
    for (int i = threadIdx.x; i < words; i += blockDim.x) {
        to[i] = from[i];
    }
}
