/*
 * A GPU made of a host thread: enough of CUDA C++ for g++ to compile the kernels of src/main/cuda and run them.
 *
 * Blocks run one after another, those of a cluster together. Each thread of a block is a fiber with its own stack; it runs
 * until it meets its block (__syncthreads), its warp (__syncwarp, shuffles, mma) or its end. What this finds that a GPU would
 * hide or hang on:
 *   - a barrier that some threads of the block or warp do not reach, or reach at another line;
 *   - shared memory read before it is written: it is poisoned with 0xFF (NaN in every format) for every block;
 *   - a missing barrier: each warp runs as far ahead of the others as its barriers allow, in ascending, descending or
 *     strided order, another one for each block, each lane as far ahead as its warp allows, and each block of a cluster
 *     as far ahead of the others;
 *   - a missing wait for an asynchronous copy: the target is poisoned when the copy is issued, filled when waited for;
 *   - asynchronous copies and loads of tiles at addresses that are no multiple of 16;
 *   - a flag that is waited for and never comes;
 *   - a thread that ends without having waited for the kernels before;
 *   - writes behind the end of dynamic shared memory;
 *   - in a cluster, a block that ends, or has not set its flags up yet, while another one still uses its shared memory, and
 *     a box for a place that another block's products have read without telling the one that brings it.
 * What it cannot find: a missing __syncwarp where a shuffle or a product stands in for it, races that none of the three
 * orders shows, other misaligned accesses, how the hardware rounds inside a product, anything about speed. Static shared
 * memory is not divided among the blocks of a cluster: their kernels have only dynamic shared memory.
 * One launch at a time in the whole process.
 */
#pragma once
#include <csetjmp>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <link.h>
#include <ucontext.h>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
// Into a section of the library whose bounds the linker knows, so that it can be asked whether a kernel runs in clusters.
#define __cluster_dims__(x, y, z) __attribute__((section("clusters_of_" #x)))
#define __align__(n) __attribute__((aligned(n)))
// Thread-local, because the range of a library's thread-local variables can be asked for, and poisoned.
#define __shared__ static thread_local

struct uint3 { unsigned x, y, z; };
struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct float2 { float x, y; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(16) float4 { float x, y, z, w; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

inline uint3 threadIdx, blockIdx;
inline dim3 blockDim, gridDim;
extern "C" __attribute__((visibility("hidden"))) const char __start_clusters_of_2[], __stop_clusters_of_2[]; // by the linker

namespace emulated {

constexpr int MAX_THREADS = 1024, WARP = 32; // threads of the blocks that run together
constexpr int MAX_CLUSTER = 2;
constexpr size_t STACK = 128 << 10, SHARED_MAX = 256 << 10, GUARD = 4 << 10;
constexpr unsigned char POISON = 0xFF;

enum State { READY, AT_BLOCK, AT_CLUSTER, AT_WARP, AT_FLAG, PAUSED, ENDED, STATES };
struct Copy { void* to; const void* from; int bytes, size, group; };
/** What computes a warp's part of a product: from two tiles, or from registers of all lanes and a tile. */
typedef void (*ComputeProduct)(void* const* sums, const unsigned* const* registers, unsigned long long a,
                               unsigned long long b, int add, int warp);
struct Product {
    ComputeProduct compute;
    void* sums;
    const unsigned* registers; // of A, or null
    unsigned long long a, b;
    int add, group;
};
struct Fiber {
    ucontext_t start;
    jmp_buf where;
    char* stack = nullptr;
    State state;
    bool started, waitedForPrevious;
    int line, committed, committedProducts;
    std::vector<Copy> copies;
    std::vector<Product> products;
    unsigned long long* flag;
    unsigned parity;
};
struct Warp { int count, line; void* lanes[WARP]; };

inline Fiber fibers[MAX_THREADS];
inline Warp warps[MAX_THREADS / WARP];
inline jmp_buf scheduler;
inline ucontext_t home;
inline int current, threads, launches, inOrder; // threads: of all blocks that run together
inline int cluster, blockThreads; // blocks that run together, threads of each
inline uint3 firstBlock; // of those that run together
inline bool early; // in this block products are computed when they begin, and nobody pauses who arrives at a flag
inline char message[512];
inline void (*body)(void*);
inline void* bodyArgument;
inline thread_local char anchor; // makes sure that there is a range
struct alignas(1024) SharedMemory { unsigned char bytes[SHARED_MAX + GUARD]; };
inline SharedMemory sharedMemories[MAX_CLUSTER];
inline size_t dynamicSharedBytes; // of this launch

/** Of the running thread's block in its cluster. */
inline int clusterRank() { return current / blockThreads; }

inline unsigned char* dynamicShared() { return sharedMemories[clusterRank()].bytes; }

inline void fail(const char* what, int line, int other = 0) {
    if (message[0] == 0) {
        snprintf(message, sizeof message, "block (%u,%u,%u) thread %d line %d: %s (%d)", blockIdx.x, blockIdx.y,
                 blockIdx.z, current, line, what, other);
    }
}

inline void wait(State state, int line) {
    Fiber& f = fibers[current];
    f.state = state;
    f.line = line;
    if (_setjmp(f.where) == 0) {
        _longjmp(scheduler, 1);
    }
}

/** Meets the warp: the last lane to come runs {@code act} on what all lanes brought; then all go on. */
template <class Act> inline void meet(int line, void* mine, Act act) {
    int first = current / WARP * WARP;
    int size = threads - first < WARP ? threads - first : WARP;
    Warp& w = warps[current / WARP];
    if (w.count == 0) {
        w.line = line;
    } else if (w.line != line) {
        fail("lanes of a warp meet at different lines", line, w.line);
    }
    w.lanes[current % WARP] = mine;
    if (++w.count < size) {
        wait(AT_WARP, line);
        return;
    }
    w.count = 0;
    act(w.lanes, size);
    for (int i = first; i < first + size; i++) {
        fibers[i].state = READY;
    }
}

inline void meetBlock(int line) { wait(AT_BLOCK, line); }

inline void meetCluster(int line) { wait(AT_CLUSTER, line); }

inline void waitForPrevious() { fibers[current].waitedForPrevious = true; }

inline void fiberMain() {
    body(bodyArgument);
    if (!fibers[current].waitedForPrevious) {
        fail("a thread did not wait for the kernels before", 0);
    }
    fibers[current].state = ENDED;
    _longjmp(scheduler, 1);
}

inline void resume(int thread) {
    current = thread;
    unsigned t = thread % blockThreads;
    threadIdx = {t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y)};
    blockIdx = {firstBlock.x + clusterRank(), firstBlock.y, firstBlock.z};
    Fiber& f = fibers[thread];
    if (_setjmp(scheduler) != 0) {
        return;
    }
    if (f.started) {
        _longjmp(f.where, 1);
    }
    f.started = true;
    if (f.stack == nullptr) {
        f.stack = static_cast<char*>(malloc(STACK));
    }
    getcontext(&f.start);
    f.start.uc_stack.ss_sp = f.stack;
    f.start.uc_stack.ss_size = STACK;
    f.start.uc_link = nullptr;
    makecontext(&f.start, fiberMain, 0);
    swapcontext(&home, &f.start);
}

/** The n-th of so many warps, or lanes, to run in this block: ascending, descending, or every 37th. */
inline int inTurn(int n, int count) {
    switch (inOrder) {
        case 0: return n;
        case 1: return count - 1 - n;
        default: return count % 37 == 0 ? n : 37 * n % count;
    }
}

bool hasEnded(unsigned long long* flag, unsigned parity);

inline bool canRun(Fiber& f) {
    return f.state == READY || (f.state == AT_FLAG && hasEnded(f.flag, f.parity));
}

/** Runs a warp as far as it comes without the others: no barrier that is missing can go unnoticed for being in step. */
inline void runWarp(int first) {
    int size = threads - first < WARP ? threads - first : WARP;
    for (bool progress = true; progress && message[0] == 0;) {
        progress = false;
        for (int i = 0; i < size; i++) {
            int thread = first + inTurn(i, size);
            if (canRun(fibers[thread])) {
                resume(thread);
                progress = true;
            }
        }
    }
}

/** Whoever pauses goes on when no other warp comes any further without it; one warp at a time. */
inline void endPause() {
    int all = (threads + WARP - 1) / WARP;
    bool found = false;
    for (int i = 0; i < all && !found; i++) {
        int first = inTurn(i, all) * WARP;
        for (int thread = first; thread < first + WARP; thread++) {
            if (fibers[thread].state == PAUSED) {
                fibers[thread].state = READY;
                found = true;
            }
        }
    }
}

/** How many threads of a block, or of all blocks, are in this state. */
inline int count(State state, int block = -1) {
    int found = 0;
    for (int i = block < 0 ? 0 : block * blockThreads; i < (block < 0 ? threads : (block + 1) * blockThreads); i++) {
        found += fibers[i].state == state;
    }
    return found;
}

inline bool blockHasEnded(int block) { return count(ENDED, block) == blockThreads; }

void learnOfEachOther(int firstWarp, int count);

/** Lets those who wait at a barrier pass it if all so many threads have come. */
inline bool pass(State barrier, int first, int all) {
    int line = 0;
    for (int i = first; i < first + all; i++) {
        if (fibers[i].state != barrier) {
            return false;
        }
        if (line != 0 && line != fibers[i].line) {
            fail("threads of a block meet at different barriers", line, fibers[i].line);
        }
        line = fibers[i].line;
    }
    for (int i = first; i < first + all; i++) {
        fibers[i].state = READY;
    }
    learnOfEachOther(first / WARP, (all + WARP - 1) / WARP);
    return true;
}

/** The first failure is the one that is told. */
inline void failIfAny(State state, const char* what) {
    for (int i = 0; i < threads; i++) {
        if (fibers[i].state == state) {
            current = i;
            fail(what, fibers[i].line, count(state));
        }
    }
}

/** Lets threads go on that wait for those of other warps or blocks; false if all blocks are done or stuck. */
inline bool release() {
    for (int i = 0; i < threads; i++) {
        if (canRun(fibers[i])) {
            return true; // its flag was raised by a warp that ran later
        }
    }
    if (count(PAUSED) > 0) {
        endPause();
        return true;
    }
    if (pass(AT_CLUSTER, 0, threads)) {
        return true;
    }
    failIfAny(AT_BLOCK, "threads did not reach the block's barrier, but so many");
    failIfAny(AT_FLAG, "threads wait for a flag that does not come");
    failIfAny(AT_WARP, "lanes did not meet their warp, but so many");
    failIfAny(AT_CLUSTER, "threads did not reach the cluster's barrier, but so many");
    return false;
}

inline int poisonStaticShared(dl_phdr_info* library, size_t, void*) {
    char* from = static_cast<char*>(library->dlpi_tls_data);
    for (int i = 0; from != nullptr && i < library->dlpi_phnum; i++) {
        const auto& header = library->dlpi_phdr[i];
        if (header.p_type == PT_TLS && &anchor >= from && &anchor < from + header.p_memsz) {
            memset(from, POISON, header.p_memsz);
            return 1;
        }
    }
    return 0;
}

/** Runs a block as far as it comes without the others of its cluster. */
inline void runBlock(int block) {
    int first = block * blockThreads;
    int all = (blockThreads + WARP - 1) / WARP;
    do {
        for (int i = 0; i < all; i++) {
            runWarp(first + inTurn(i, all) * WARP);
        }
    } while (message[0] == 0 && pass(AT_BLOCK, first, blockThreads));
}

void forgetBoxes();
void forgetReads();
void findBoxesOnTheirWay();

/** Runs the blocks of a cluster, or one block. */
inline void runBlocks(size_t sharedBytes) {
    dynamicSharedBytes = sharedBytes;
    for (int block = 0; block < cluster; block++) {
        memset(sharedMemories[block].bytes, POISON, sharedBytes + GUARD);
    }
    anchor = 0;
    dl_iterate_phdr(poisonStaticShared, nullptr);
    for (int i = 0; i < threads; i++) {
        fibers[i].state = READY;
        fibers[i].started = fibers[i].waitedForPrevious = false;
        fibers[i].committed = fibers[i].committedProducts = 0;
        fibers[i].copies.clear();
        fibers[i].products.clear();
        warps[i / WARP].count = 0;
    }
    forgetBoxes();
    forgetReads();
    early = !early;
    do {
        for (int i = 0; i < cluster; i++) {
            runBlock(inTurn(i, cluster));
        }
    } while (message[0] == 0 && release());
    findBoxesOnTheirWay();
    for (int block = 0; block < cluster; block++) {
        for (size_t i = 0; i < GUARD; i++) {
            if (sharedMemories[block].bytes[sharedBytes + i] != POISON) {
                fail("write behind dynamic shared memory, offset", 0, static_cast<int>(sharedBytes + i));
            }
        }
    }
}

/** Runs a kernel in clusters of so many blocks along x; returns null, or what went wrong. */
template <class Kernel> const char* launch(dim3 grid, dim3 block, size_t sharedBytes, int blocksTogether, Kernel kernel) {
    message[0] = 0;
    gridDim = grid;
    blockDim = block;
    cluster = blocksTogether;
    blockThreads = static_cast<int>(block.x * block.y * block.z);
    threads = cluster * blockThreads;
    body = [](void* k) { (*static_cast<Kernel*>(k))(); };
    bodyArgument = &kernel;
    if (threads > MAX_THREADS || sharedBytes > SHARED_MAX) {
        return "a block too large";
    }
    if (grid.x % cluster != 0 || (cluster > 1 && blockThreads % WARP != 0)) {
        return "a grid that is not divided into clusters of whole warps";
    }
    inOrder = launches++ % 3;
    for (unsigned z = 0; z < grid.z; z++) {
        for (unsigned y = 0; y < grid.y; y++) {
            for (unsigned x = 0; x < grid.x && message[0] == 0; x += cluster) {
                firstBlock = blockIdx = {x, y, z};
                runBlocks(sharedBytes);
                inOrder = (inOrder + 1) % 3;
            }
        }
    }
    bodyArgument = nullptr;
    return message[0] == 0 ? nullptr : message;
}

/** Blocks of a kernel's clusters, by its __cluster_dims__. */
inline int clusterOf(const void* kernel) {
    auto* code = static_cast<const char*>(kernel);
    return code >= __start_clusters_of_2 && code < __stop_clusters_of_2 ? 2 : 1;
}

template <class T> struct Exchange { T value, result; int source; };

template <class T, class Pick> T exchange(int line, T value, Pick pick) {
    Exchange<T> e{value, value, pick(current % WARP)};
    meet(line, &e, [](void** lanes, int size) {
        for (int i = 0; i < size; i++) {
            auto* mine = static_cast<Exchange<T>*>(lanes[i]);
            int from = mine->source;
            mine->result = from < size ? static_cast<Exchange<T>*>(lanes[from])->value : mine->value;
        }
    });
    return e.result;
}

inline unsigned ballot(int line, bool vote) {
    struct Vote { bool mine; unsigned all; } v{vote, 0};
    meet(line, &v, [](void** lanes, int size) {
        unsigned all = 0;
        for (int i = 0; i < size; i++) {
            all |= static_cast<unsigned>(static_cast<Vote*>(lanes[i])->mine) << i;
        }
        for (int i = 0; i < size; i++) {
            static_cast<Vote*>(lanes[i])->all = all;
        }
    });
    return v.all;
}

inline void checkAligned(const void* address, int line) {
    if (reinterpret_cast<uintptr_t>(address) % 16 != 0) {
        fail("an address that is no multiple of 16", line);
    }
}

inline void copyAsync(void* to, const void* from, int bytes, int size) {
    checkAligned(to, 0);
    checkAligned(from, 0);
    memset(to, POISON, size);
    fibers[current].copies.push_back({to, from, bytes, size, fibers[current].committed});
}

inline void commitCopies() { fibers[current].committed++; }

inline void waitForCopies(int pending) {
    Fiber& f = fibers[current];
    size_t kept = 0;
    for (const Copy& c : f.copies) {
        if (c.group < f.committed - pending) {
            memset(c.to, 0, c.size);
            memcpy(c.to, c.from, c.bytes);
        } else {
            f.copies[kept++] = c;
        }
    }
    f.copies.resize(kept);
}

} // namespace emulated

#define __syncthreads() emulated::meetBlock(__LINE__)
#define __syncwarp() emulated::meet(__LINE__, nullptr, [](void**, int) {})
#define __shfl_xor_sync(mask, v, other) emulated::exchange(__LINE__, v, [=](int lane) { return lane ^ (other); })
#define __shfl_down_sync(mask, v, by) emulated::exchange(__LINE__, v, [=](int lane) { return lane + (by); })
#define __shfl_sync(mask, v, source) emulated::exchange(__LINE__, v, [=](int) { return (source) % 32; })
#define __ballot_sync(mask, vote) emulated::ballot(__LINE__, vote)

template <class T> inline T __ldg(const T* p) { return *p; }
template <class To, class From> inline To bitsAs(From v) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    memcpy(&to, &v, sizeof to);
    return to;
}
inline float __uint_as_float(unsigned v) { return bitsAs<float>(v); }
inline unsigned __float_as_uint(float v) { return bitsAs<unsigned>(v); }
inline int __float2int_rn(float v) { return v != v ? 0 : static_cast<int>(nearbyintf(v)); }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float rsqrtf(float v) { return 1 / sqrtf(v); }
inline float __expf(float v) { return expf(v); }
inline float __sinf(float v) { return sinf(v); }
inline float __cosf(float v) { return cosf(v); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fmul_rn(float a, float b) {
    volatile float product = a * b; // volatile: the compiler must not fuse it with an addition
    return product;
}
inline int __ffs(unsigned v) { return __builtin_ffs(static_cast<int>(v)); }
inline int __popc(unsigned v) { return __builtin_popcount(v); }
template <class T> inline T atomicAdd(T* at, T v) { T old = *at; *at = old + v; return old; }
template <class T> inline T atomicOr(T* at, T v) { T old = *at; *at = old | v; return old; }
template <class T> inline T min(T a, T b) { return b < a ? b : a; }
template <class T> inline T max(T a, T b) { return a < b ? b : a; }

#include "emulated_hopper.h"
