/*
 * The tensor cores' matrix product of four warps, D[64, N] += A[64, 32 bytes of k] * B[N, 32 bytes of k]^T (wgmma, sm_90a),
 * both operands in shared memory; and D[64, N] += A[64, 16] * B[16, N] of 16-bit elements, A in registers.
 *
 * A tile is [rows][128 bytes of k], a multiple of 1024 bytes, its 16-byte pieces swizzled (piece ^ row % 8): as load_box
 * leaves it. With g = lane / 4 and t = lane % 4, warp i of the four holds of D
 *   d[4j], d[4j + 1]  row 16i + g, columns 8j + 2t, 8j + 2t + 1     d[4j + 2], d[4j + 3]  row 16i + g + 8, the same columns
 * and of an A in registers, two neighbouring k in a word, what mma.cuh's A fragment is of rows 16i .. 16i + 15.
 *
 * A transposed tile is a B of which k, not the columns, are the rows: [k][64 columns], again rows of 128 bytes with swizzled
 * pieces. The tensor cores take it in units of 8 k x 64 columns, 1024 bytes. A descriptor says how far it is to the unit of
 * the next 8 k (stride offset: 1024, since rows follow each other) and to that of the next 64 columns (leading offset: the
 * tile of these columns). 16 k further is 2048 bytes. A tile of rows of k has no use for the leading offset.
 */
#pragma once
#include "bulk_copy.cuh"
#include "mma.cuh"

/** A tile for the tensor cores; + 2 is 32 bytes of k further. */
__device__ __forceinline__ u64 describe_tile(const void* tile) {
    constexpr u64 SWIZZLE_128 = 1ull << 62;
    constexpr u64 EIGHT_ROWS = 1024 >> 4;
    return SWIZZLE_128 | EIGHT_ROWS << 32 | 1ull << 16 | (shared_address(tile) & 0x3ffff) >> 4;
}

/** A transposed tile; + 128 is 16 k further. The next 64 columns lie so many bytes behind. */
__device__ __forceinline__ u64 describe_transposed_tile(const void* tile, int column_bytes) {
    constexpr u64 LEADING_OFFSET = 0xffffull << 16;
    return (describe_tile(tile) & ~LEADING_OFFSET) | static_cast<u64>(column_bytes >> 4) << 16;
}

/** Before the first product after registers were written. */
__device__ __forceinline__ void begin_products() {
#ifdef SLUICE_EMULATED
    __syncwarp();
#else
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#endif
}

/** Closes a group: the products begun since the last one. */
__device__ __forceinline__ void commit_products() {
#ifdef SLUICE_EMULATED
    emulated::commitProducts();
#else
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#endif
}

/** Waits until at most {@code pending} groups are under way. */
template <int pending>
__device__ __forceinline__ void wait_for_products() {
#ifdef SLUICE_EMULATED
    emulated::waitForProducts(pending, __LINE__);
#else
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(pending) : "memory");
#endif
}

/** After the wait for products: what used or made these registers is over, and the compiler must not read them before. */
template <int COUNT>
__device__ __forceinline__ void settle(float (&sums)[COUNT]) {
#ifndef SLUICE_EMULATED
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
        asm volatile("" : "+f"(sums[i])::"memory");
    }
#endif
}

template <int COUNT>
__device__ __forceinline__ void settle(u32 (&words)[COUNT]) {
#ifndef SLUICE_EMULATED
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
        asm volatile("" : "+r"(words[i])::"memory");
    }
#endif
}

/** All four warps take so many registers for a thread, a multiple of 8, once others of the block have given them up. */
template <int registers>
__device__ __forceinline__ void take_registers() {
#ifndef SLUICE_EMULATED
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(registers));
#endif
}

/** All four warps keep so many registers for a thread, a multiple of 8. */
template <int registers>
__device__ __forceinline__ void keep_registers() {
#ifndef SLUICE_EMULATED
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(registers));
#endif
}

/** Begins a product; what d held before counts only if {@code add}. d may be touched again after the wait. */
template <class T, int COLUMNS>
__device__ __forceinline__ void multiply_tiles(typename T::Sum (&d)[COLUMNS / 2], u64 a, u64 b, int add);

/**
 * Begins a product of A in registers and a tile, or a transposed one; what d held before counts only if {@code add}. a and d
 * may be touched again after the wait.
 */
template <class T, int COLUMNS, bool transposed>
__device__ __forceinline__ void multiply_by_tile(float (&d)[COLUMNS / 2], const u32 (&a)[4], u64 b, int add);

#ifdef SLUICE_EMULATED
/** A warp's part of a product: its 16 rows of A, all columns of B, and the sums of all lanes. */
template <class T, int COLUMNS, class ReadRow, class ReadColumn>
inline void emulated_wgmma(void* const* sums, int add, ReadRow read_row, ReadColumn read_column) {
    constexpr int DEPTH = 32 / sizeof(T);
    typename T::Sum left[16][DEPTH];
    for (int row = 0; row < 16; row++) {
        T elements[DEPTH];
        read_row(elements, row);
        for (int k = 0; k < DEPTH; k++) {
            left[row][k] = to_sum(elements[k]);
        }
    }
    for (int column = 0; column < COLUMNS; column++) {
        T elements[DEPTH];
        read_column(elements, column);
        typename T::Sum right[DEPTH];
        for (int k = 0; k < DEPTH; k++) {
            right[k] = to_sum(elements[k]);
        }
        for (int row = 0; row < 16; row++) {
            auto* lane = static_cast<typename T::Sum*>(sums[row % 8 * 4 + column % 8 / 2]);
            auto& d = lane[column / 8 * 4 + row / 8 * 2 + column % 2];
            typename T::Sum before = add ? d : 0;
            typename T::Sum sum = 0;
            for (int k = 0; k < DEPTH; k++) {
                if (emulated::addsInHalves && k == DEPTH / 2) {
                    before += sum;
                    sum = 0;
                }
                sum += left[row][k] * right[k];
            }
            d = as_kept(T(), before + sum);
        }
    }
}

template <class T, int COLUMNS>
inline void emulated_wgmma_tiles(void* const* sums, const u32* const*, u64 a, u64 b, int add, int warp) {
    emulated_wgmma<T, COLUMNS>(
        sums, add, [=](T* elements, int row) { emulated::readTile(elements, a, warp % 4 * 16 + row); },
        [=](T* elements, int column) { emulated::readTile(elements, b, column); });
}

template <class T, int COLUMNS, bool transposed>
inline void emulated_wgmma_registers(void* const* sums, const u32* const* registers, u64, u64 b, int add, int) {
    emulated_wgmma<T, COLUMNS>(
        sums, add,
        [=](T* elements, int row) {
            for (int k = 0; k < 16; k += 2) {
                memcpy(elements + k, registers[row % 8 * 4 + k % 8 / 2] + k / 8 * 2 + row / 8, 4);
            }
        },
        [=](T* elements, int column) {
            (transposed ? emulated::readTransposed : emulated::readTile)(elements, b, column);
        });
}

template <class T, int COLUMNS>
inline void multiply_tiles(typename T::Sum (&d)[COLUMNS / 2], u64 a, u64 b, int add) {
    __syncwarp();
    emulated::beginProduct(emulated_wgmma_tiles<T, COLUMNS>, d, nullptr, a, b, add);
}

template <class T, int COLUMNS, bool transposed>
inline void multiply_by_tile(float (&d)[COLUMNS / 2], const u32 (&a)[4], u64 b, int add) {
    __syncwarp();
    emulated::beginProduct(emulated_wgmma_registers<T, COLUMNS, transposed>, d, a, 0, b, add);
}
#else
#define SLUICE_D8(c, i)                                                                                                \
    c(d[i]), c(d[i + 1]), c(d[i + 2]), c(d[i + 3]), c(d[i + 4]), c(d[i + 5]), c(d[i + 6]), c(d[i + 7])
#define SLUICE_D16(c, i) SLUICE_D8(c, i), SLUICE_D8(c, i + 8)
#define SLUICE_D32(c, i) SLUICE_D16(c, i), SLUICE_D16(c, i + 16)
#define SLUICE_D64(c, i) SLUICE_D32(c, i), SLUICE_D32(c, i + 32)
#define SLUICE_D96(c, i) SLUICE_D64(c, i), SLUICE_D32(c, i + 64)
#define SLUICE_D128(c, i) SLUICE_D64(c, i), SLUICE_D64(c, i + 64)
#define SLUICE_F(x) "+f"(x)
#define SLUICE_R(x) "+r"(x)
#define SLUICE_N16 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15"
#define SLUICE_N32 SLUICE_N16 ",%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
#define SLUICE_N64                                                                                                     \
    SLUICE_N32 ",%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,"  \
               "%57,%58,%59,%60,%61,%62,%63"
#define SLUICE_N96                                                                                                     \
    SLUICE_N64 ",%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,%80,%81,%82,%83,%84,%85,%86,%87,%88,"  \
               "%89,%90,%91,%92,%93,%94,%95"
#define SLUICE_N128                                                                                                    \
    SLUICE_N64 ",%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,%80,%81,%82,%83,%84,%85,%86,%87,%88,"  \
               "%89,%90,%91,%92,%93,%94,%95,%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,"    \
               "%111,%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"
// a, b and add are the operands behind the registers.
#define SLUICE_WGMMA(T, columns, registers, a_, b_, add_, shape, types, constraint, after)                             \
    template <>                                                                                                        \
    __device__ __forceinline__ void multiply_tiles<T, columns>(                                                        \
        T::Sum(&d)[columns / 2], u64 a, u64 b, int add) {                                                              \
        asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, %" add_ ", 0;\n"                                            \
                     "wgmma.mma_async.sync.aligned.m64n" #columns shape "." types " {" SLUICE_N##registers             \
                     "}, %" a_ ", %" b_ ", add" after ";\n}"                                                           \
                     : SLUICE_D##registers(constraint, 0)                                                              \
                     : "l"(a), "l"(b), "r"(add));                                                                      \
    }
#define SLUICE_WGMMAS(T, shape, types, constraint, after)                                                              \
    SLUICE_WGMMA(T, 32, 16, "16", "17", "18", shape, types, constraint, after)                                         \
    SLUICE_WGMMA(T, 64, 32, "32", "33", "34", shape, types, constraint, after)                                         \
    SLUICE_WGMMA(T, 128, 64, "64", "65", "66", shape, types, constraint, after)                                        \
    SLUICE_WGMMA(T, 192, 96, "96", "97", "98", shape, types, constraint, after)                                        \
    SLUICE_WGMMA(T, 256, 128, "128", "129", "130", shape, types, constraint, after)

// Behind the operands: A and B as they are, not negated; of 16 bits also not transposed.
SLUICE_WGMMAS(Bf16, "k16", "f32.bf16.bf16", SLUICE_F, ", 1, 1, 0, 0")
SLUICE_WGMMAS(Fp16, "k16", "f32.f16.f16", SLUICE_F, ", 1, 1, 0, 0")
SLUICE_WGMMAS(Int8, "k32", "s32.s8.s8", SLUICE_R, "")
SLUICE_WGMMAS(E4m3, "k32", "f32.e4m3.e4m3", SLUICE_F, ", 1, 1")

// Behind the operands: A and B as they are, not negated; B transposed or not.
#define SLUICE_WGMMA_REGISTERS(T, columns, registers, a_, b_, add_, how_, transposed, types)                           \
    template <>                                                                                                        \
    __device__ __forceinline__ void multiply_by_tile<T, columns, transposed>(                                          \
        float(&d)[columns / 2], const u32(&a)[4], u64 b, int add) {                                                    \
        asm volatile("{\n.reg .pred add;\nsetp.ne.b32 add, %" add_ ", 0;\n"                                            \
                     "wgmma.mma_async.sync.aligned.m64n" #columns "k16.f32." types " {" SLUICE_N##registers            \
                     "}, {" a_ "}, %" b_ ", add, 1, 1, %" how_ ";\n}"                                                  \
                     : SLUICE_D##registers(SLUICE_F, 0)                                                                \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(add), "n"(transposed));                 \
    }
#define SLUICE_WGMMAS_REGISTERS(T, types)                                                                              \
    SLUICE_WGMMA_REGISTERS(T, 64, 32, "%32,%33,%34,%35", "36", "37", "38", false, types)                               \
    SLUICE_WGMMA_REGISTERS(T, 64, 32, "%32,%33,%34,%35", "36", "37", "38", true, types)                                \
    SLUICE_WGMMA_REGISTERS(T, 128, 64, "%64,%65,%66,%67", "68", "69", "70", true, types)

SLUICE_WGMMAS_REGISTERS(Bf16, "bf16.bf16")
SLUICE_WGMMAS_REGISTERS(Fp16, "f16.f16")
#endif
