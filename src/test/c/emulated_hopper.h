/*
 * What sm_90 adds, for the GPU of emulated_gpu.h: flags with phases, the copy engine, products of four warps, and what the
 * blocks of a cluster do to each other's shared memory.
 *
 * Boxes arrive as late as they may: their target is poisoned when the copy begins, and filled when somebody waits for its
 * flag. Products read their tiles and registers as early as they may, when they begin, in every other block; in the others as
 * late, when they are waited for and no other warp comes any further. So a stage that is filled again too early, or read too
 * early, shows in the results; so do registers. In these others a thread that arrives at a flag goes on no sooner than that: so
 * it shows if it arrives before all is done that it stands for. The words of a map are those of fake_cuda.c.
 */
#pragma once
#include <unordered_map>

namespace emulated {

struct Flag {
    unsigned short expected, pending;
    unsigned bytes : 31, phase : 1;
};
static_assert(sizeof(Flag) == 8);

struct Map {
    unsigned long long magic, address, rowElements, rows, rowBytes, boxElements, boxRows, elementBytes;
};
constexpr unsigned long long MAP_MAGIC = 0x534c554943454d41;

inline unsigned boxBytes(const Map& map) { return map.boxRows * 128; }

struct Box { Map map; unsigned char* to; long element, row; Flag* flag; bool foreign; };
inline std::vector<Box> boxes;

inline void forgetBoxes() { boxes.clear(); }

inline void findBoxesOnTheirWay() {
    if (!boxes.empty()) {
        fail("a block ended before a box had come", 0, static_cast<int>(boxes.size()));
    }
}

inline unsigned sharedAddress(const void* shared) {
    auto* at = static_cast<const unsigned char*>(shared);
    if (at < dynamicShared() || at >= dynamicShared() + SHARED_MAX) {
        fail("an address that is not in the block's dynamic shared memory", 0);
        return 0;
    }
    return static_cast<unsigned>(at - dynamicShared());
}

/** The same place as this one of the running thread's block in another block of the cluster, which must be there. */
inline unsigned char* sharedOf(int block, const void* mine) {
    unsigned address = sharedAddress(mine);
    if (block >= cluster) {
        fail("a block that the cluster does not have", 0, block);
        block = clusterRank();
    } else if (block != clusterRank() && blockHasEnded(block)) {
        fail("the shared memory of a block that has ended", 0, block);
    }
    return sharedMemories[block].bytes + address;
}

/** A block that has not begun yet has no flags. */
inline Flag* flagOf(int block, const unsigned long long* mine) {
    unsigned char* flag = sharedOf(block, mine);
    unsigned long long word;
    memcpy(&word, flag, sizeof word);
    if (word == ~0ULL) {
        fail("a flag that is not set up", 0, block);
    }
    return reinterpret_cast<Flag*>(flag);
}

/** Where the copy engine and the tensor cores find what has this address in such memory. */
inline unsigned char* swizzled(unsigned char* shared, unsigned address) {
    return shared + (address ^ (address >> 7 & 7) << 4);
}

inline void endPhase(Flag* f) {
    if (f->pending == 0 && f->bytes == 0) {
        f->pending = f->expected;
        f->phase ^= 1;
    }
}

inline void initFlag(unsigned long long* flag, unsigned arrivals) {
    Flag f{static_cast<unsigned short>(arrivals), static_cast<unsigned short>(arrivals), 0, 0};
    memcpy(flag, &f, sizeof f);
}

inline void expect(unsigned long long* flag, unsigned bytes) { reinterpret_cast<Flag*>(flag)->bytes += bytes; }

constexpr int MAX_WARPS = MAX_THREADS / WARP;

/** How many of each warp's arrivals at flags and barriers a warp knows of, by these; so it knows what came before them. */
struct Knowledge {
    int arrivals[MAX_WARPS];

    void learn(const Knowledge& other) {
        for (int i = 0; i < MAX_WARPS; i++) {
            arrivals[i] = arrivals[i] < other.arrivals[i] ? other.arrivals[i] : arrivals[i];
        }
    }
};
inline Knowledge knowledge[MAX_WARPS];
inline std::unordered_map<const Flag*, Knowledge> arrived; // what those know who wait for a flag
inline int reads[MAX_CLUSTER][SHARED_MAX / 128][MAX_WARPS]; // of 128 bytes by a warp's products: before which arrival, or 0

inline void forgetReads() {
    if (cluster > 1) {
        memset(knowledge, 0, sizeof knowledge);
        memset(reads, 0, sizeof reads);
        arrived.clear();
        for (int i = 0; i < MAX_WARPS; i++) {
            knowledge[i].arrivals[i] = 1;
        }
    }
}

inline void learnOfEachOther(int firstWarp, int count) {
    for (int i = firstWarp + 1; i < firstWarp + count && cluster > 1; i++) {
        knowledge[firstWarp].learn(knowledge[i]);
    }
    for (int i = firstWarp; i < firstWarp + count && cluster > 1; i++) {
        knowledge[i].learn(knowledge[firstWarp]);
        knowledge[i].arrivals[i]++;
    }
}

/** The running warp reads what has this address in its block. */
inline void noteRead(unsigned address) {
    int warp = current / WARP;
    reads[clusterRank()][address / 128][warp] = knowledge[warp].arrivals[warp];
}

/** Nobody knows when another block's products have read a place but by an arrival after it. */
inline void findReaders(int block, unsigned address, unsigned bytes) {
    for (unsigned at = address; at < address + bytes; at += 128) {
        for (int warp = 0; warp < MAX_WARPS; warp++) {
            if (reads[block][at / 128][warp] > knowledge[current / WARP].arrivals[warp]) {
                fail("a box over what another block may still read, of warp", 0, warp);
            }
        }
    }
}

/** At this flag of a block of the cluster. */
inline void arriveAt(unsigned long long* flag, int block) {
    Flag* f = flagOf(block, flag);
    if (f->pending == 0) {
        fail("more arrivals than a flag expects", 0, f->expected);
        return;
    }
    if (cluster > 1) {
        int warp = current / WARP;
        arrived[f].learn(knowledge[warp]);
        knowledge[warp].arrivals[warp]++;
    }
    f->pending--;
    endPhase(f);
    if (!early) {
        wait(PAUSED, 0);
    }
}

inline void arrive(unsigned long long* flag) { arriveAt(flag, clusterRank()); }

/** The block in whose shared memory this is. */
inline int blockAt(const void* shared) {
    return static_cast<int>((static_cast<const unsigned char*>(shared) - sharedMemories[0].bytes) / sizeof(SharedMemory));
}

inline void arriveBox(const Box& box) {
    const Map& map = box.map;
    unsigned char* shared = sharedMemories[blockAt(box.to)].bytes;
    unsigned address = static_cast<unsigned>(box.to - shared);
    for (unsigned long long row = 0; row < map.boxRows; row++) {
        for (unsigned piece = 0; piece < 128; piece += 16) {
            long at = box.element + piece / static_cast<long>(map.elementBytes);
            long r = box.row + static_cast<long>(row);
            long left = (static_cast<long>(map.rowElements) - at) * static_cast<long>(map.elementBytes);
            unsigned char bytes[16] = {};
            if (r < static_cast<long>(map.rows) && left > 0) {
                auto* from = reinterpret_cast<const unsigned char*>(map.address) + r * map.rowBytes + at * map.elementBytes;
                memcpy(bytes, from, left < 16 ? left : 16);
            }
            memcpy(swizzled(shared, address + row * 128 + piece), bytes, 16);
        }
    }
    unsigned bytes = boxBytes(map);
    if (box.flag->bytes < bytes) {
        fail("a box that its flag does not expect", 0, static_cast<int>(bytes));
        return;
    }
    box.flag->bytes -= bytes;
    endPhase(box.flag);
}

inline bool hasEnded(unsigned long long* flag, unsigned parity) {
    Flag* f = reinterpret_cast<Flag*>(flag);
    for (size_t i = 0; i < boxes.size();) {
        // What another block brings may come before its flag expects it; here it then comes later.
        bool tooEarly = boxes[i].foreign && f->bytes < boxBytes(boxes[i].map);
        if (boxes[i].flag == f && !tooEarly) {
            Box box = boxes[i];
            boxes.erase(boxes.begin() + i);
            arriveBox(box);
        } else {
            i++;
        }
    }
    return f->phase != parity;
}

inline void waitForPhase(unsigned long long* flag, unsigned parity, int line) {
    while (!hasEnded(flag, parity) && message[0] == 0) {
        fibers[current].flag = flag;
        fibers[current].parity = parity;
        wait(AT_FLAG, line);
    }
    if (cluster > 1) {
        knowledge[current / WARP].learn(arrived[reinterpret_cast<Flag*>(flag)]);
    }
}

/** To the same place of all blocks of the mask, each of which has such a flag. */
inline void loadBox(void* to, const unsigned long long* words, int element, int row, unsigned long long* flag, unsigned mask) {
    Map map;
    memcpy(&map, words, sizeof map);
    if (map.magic != MAP_MAGIC || map.boxElements * map.elementBytes != 128 || sharedAddress(to) % 1024 != 0) {
        fail("a box of a matrix that has no map, or has rows other than 128 bytes, or no place for them", 0);
        return;
    }
    for (int block = 0; mask >> block != 0; block++) {
        if ((mask >> block & 1) != 0) {
            unsigned char* there = sharedOf(block, to);
            if (block != clusterRank()) {
                findReaders(block, sharedAddress(to), boxBytes(map));
            }
            memset(there, POISON, boxBytes(map));
            boxes.push_back({map, there, element, row, flagOf(block, flag), block != clusterRank()});
        }
    }
}

inline void loadBox(void* to, const unsigned long long* words, int element, int row, unsigned long long* flag) {
    loadBox(to, words, element, row, flag, 1u << clusterRank());
}

/** A row's 32 bytes of a described tile; only K-major tiles with a swizzle of 128 bytes. */
inline void readTile(void* row32, unsigned long long tile, int row) {
    if (tile >> 62 != 1 || (tile >> 32 & 0x3fff) != 1024 >> 4) {
        fail("a tile of another layout", 0);
        return;
    }
    unsigned at = ((tile & 0x3fff) << 4) + row / 8 * 1024 + row % 8 * 128;
    if (at + 32 > dynamicSharedBytes) {
        fail("a tile that is not in the block's shared memory, row", 0, row);
        return;
    }
    if (cluster > 1) {
        noteRead(at);
    }
    for (unsigned piece = 0; piece < 32; piece += 16) {
        memcpy(static_cast<char*>(row32) + piece, swizzled(dynamicShared(), at + piece), 16);
    }
}

/**
 * A column's 16 k of a described tile of 16-bit elements whose rows are k; only with a swizzle of 128 bytes. In the words of
 * the PTX manual: 8 k x 128 bytes repeat, 64 columns further at the leading, 8 k further at the stride byte offset.
 */
inline void readTransposed(void* column16, unsigned long long tile, int column) {
    if (tile >> 62 != 1 || (tile >> 49 & 7) != 0) {
        fail("a tile of another layout", 0);
        return;
    }
    unsigned start = (tile & 0x3fff) << 4;
    unsigned leading = (tile >> 16 & 0x3fff) << 4;
    unsigned stride = (tile >> 32 & 0x3fff) << 4;
    for (unsigned k = 0; k < 16; k++) {
        unsigned at = start + column / 64 * leading + k / 8 * stride + k % 8 * 128 + column % 64 * 2;
        if (at >= dynamicSharedBytes) {
            fail("a tile that is not in dynamic shared memory", 0);
            return;
        }
        memcpy(static_cast<char*>(column16) + 2 * k, swizzled(dynamicShared(), at), 2);
    }
}

/** For tests: products of 16 bits, that is tensor cores that add up in two steps what is one step here. */
inline bool addsInHalves;

inline void commitProducts() { fibers[current].committedProducts++; }

/** The products of a warp that are in groups before the last so many, or -1: all. */
inline void computeProducts(int first, int pending) {
    const auto& ofFirst = fibers[first].products;
    size_t count = 0;
    while (count < ofFirst.size() && ofFirst[count].group < fibers[first].committedProducts - pending) {
        count++;
    }
    for (int lane = 0; lane < WARP; lane++) {
        if (fibers[first + lane].products.size() != ofFirst.size()) {
            fail("lanes of a warp have begun different products", 0);
            return;
        }
    }
    for (size_t i = 0; i < count; i++) {
        void* sums[WARP];
        const unsigned* registers[WARP];
        for (int lane = 0; lane < WARP; lane++) {
            sums[lane] = fibers[first + lane].products[i].sums;
            registers[lane] = fibers[first + lane].products[i].registers;
        }
        const Product& p = ofFirst[i];
        p.compute(sums, registers, p.a, p.b, p.add, first % blockThreads / WARP);
    }
    for (int thread = first; thread < first + WARP; thread++) {
        auto& products = fibers[thread].products;
        products.erase(products.begin(), products.begin() + count);
    }
}

inline void beginProduct(ComputeProduct compute, void* sums, const unsigned* registers, unsigned long long a,
                         unsigned long long b, int add) {
    fibers[current].products.push_back({compute, sums, registers, a, b, add, fibers[current].committedProducts});
    if (early) {
        meet(__LINE__, nullptr, [](void**, int) { computeProducts(current / WARP * WARP, -1); });
    }
}

inline void waitForProducts(int pending, int line) {
    const Fiber& f = fibers[current];
    if (!f.products.empty() && f.products.front().group < f.committedProducts - pending) {
        wait(PAUSED, line);
    }
    meet(line, nullptr, [=](void**, int) { computeProducts(current / WARP * WARP, pending); });
}

} // namespace emulated
