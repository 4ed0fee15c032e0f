/*
 * Attention of one query position per sequence over its paged keys (flash decoding).
 *
 *   out[r, h, :] = sum over keys k of softmax_k(scale * q[r, h] . K[k]) * V[k],  keys lengths[r] - window .. lengths[r] - 1
 *
 *   out        [rows, heads * D]                         T
 *   partial    [rows, heads, chunks, D]                  float, sums of values
 *   stats      [rows, heads, chunks]                     float2: largest score * scale * log2(e), sum of weights
 *   queries    [rows, heads * D]                         T, rotated
 *   arena      [block][layer][K, V][kv head][slot][D]    T, with the row's own key and value in it
 *   tables     [rows, table_stride]                      int, block of position p at p / block_size; uploaded by the host
 *   lengths    [rows]  int, positions up to and with the row's own; 0: an unused row, nothing is written; uploaded likewise
 *   chunks     places for partial results; a row needs those of VisibleChunks: at most length / 256 and window / 256 + 2,
 *              both rounded up. Rows are independent: a launch for some of them bounds the workspace of a large batch
 *   window     0 is all;  block_size a multiple of 16;  heads a multiple of kv_heads
 *
 * Both decoding kernels: all query heads of a kv head together are the rows of one matrix product, 16 at a time, and every
 * chunk leaves a partial result. Which of the two takes a chunk, and where, does not matter to the result.
 *
 * decode: for many chunks. A warp takes one chunk, its keys and values through its own ring of asynchronous copies, and waits
 * for no other warp. splits is chunks / 4, rounded up.
 *   grid (splits, kv_heads * ceil(heads / kv_heads / 16), rows), block 128, shared 768 * D bytes.
 * decode_wide: for few chunks. The four warps of a block take a chunk together, so four times as many bytes are on their way
 * for it: of every tile each warp has the scores of its own 16 keys and the sums of values of its own quarter of D. Scores
 * are exchanged; each warp weighs the whole tile by itself, in the order of one warp. splits: 1 .. chunks.
 *   grid, block and shared bytes as above; D at least 64.
 * reduce: blends the chunks in ascending order; a block takes D / parts dimensions of a head.
 *   grid (heads, rows, parts), block 128; D / parts a multiple of 4.
 * Order of additions: attention.cuh. Reference: executor.cpu.Attention.
 */
#include "attention.cuh"

constexpr int SLICE_KEYS = 16; // of one copy; block sizes are multiples of it, so a slice is a contiguous piece of a block
constexpr int SLICES = TILE_KEYS / SLICE_KEYS;
constexpr int CHUNK_SLICES = CHUNK_KEYS / SLICE_KEYS;
constexpr int STAGES = 6; // slices of keys or of values; two blocks of four warps fit into a multiprocessor's 227 KiB
constexpr int WARPS = 4;
constexpr int STAGE_FLOATS = 4096; // of partial results: 32 dimensions of 128 chunks; with two of them six blocks fit
constexpr int STAGE_CHUNKS = 128;

/** The query heads of a block: up to 16 of one kv head, of one row. */
struct HeadGroup {
    int kv_head;
    int used;
    i64 first_head; // of all rows

    __device__ __forceinline__ HeadGroup(int heads, int kv_heads) {
        int group = heads / kv_heads;
        int parts = (group + 15) / 16;
        int first = blockIdx.y % parts * 16;
        kv_head = blockIdx.y / parts;
        used = min(group - first, 16);
        first_head = static_cast<i64>(blockIdx.z) * heads + kv_head * group + first;
    }

    template <class T, int D>
    __device__ __forceinline__ void load(u32 (&q)[D / 16][4], const T* queries) const {
        int g = threadIdx.x % WARP / 4;
        const T* query = queries + (first_head + g) * D;
        load_queries<T, D>(q, g < used ? query : nullptr, g + 8 < used ? query + 8 * D : nullptr);
    }
};

/** The keys of one kv head that a row sees, and where in the arena they lie. */
struct PagedKeys {
    const int* table;
    KvShape shape;
    VisibleChunks chunks;

    __device__ __forceinline__ int first_key(int chunk) const {
        return max((chunks.first + chunk) * CHUNK_KEYS, chunks.first_key);
    }

    __device__ __forceinline__ int end_key(int chunk) const {
        return min((chunks.first + chunk + 1) * CHUNK_KEYS, chunks.end_key);
    }

    /** Something of the slice that begins with this key is visible. */
    __device__ __forceinline__ bool visible(int key) const {
        return key < chunks.end_key && key + SLICE_KEYS > chunks.first_key;
    }

    /** Element offset of a slice from the keys of its head in block 0; of all slices of a chunk by as many lanes at once. */
    __device__ __forceinline__ i64 slice_at(int chunk, int slice) const {
        int key = (chunks.first + chunk) * CHUNK_KEYS + slice * SLICE_KEYS;
        if (chunk >= chunks.count || !visible(key)) {
            return 0;
        }
        i64 block = __ldg(table + key / shape.block_size);
        return block * shape.block_elements() + key % shape.block_size * shape.head_dim;
    }
};

/**
 * Begins a warp's copies of so many columns of a slice. Keys outside of [first, end), counted from the slice, may never have
 * been written: they become zeros, since 0 * NaN would reach the sums.
 */
template <class T, int D, int COLUMNS>
__device__ __forceinline__ void copy_slice(T* to, const T* from, int first, int end) {
    constexpr int PIECES = COLUMNS / 8;
    constexpr int ROWS = WARP / PIECES; // that the warp copies at once
    int row = threadIdx.x % WARP / PIECES;
    int piece = threadIdx.x % PIECES;
    from += row * D + piece * 8;
#pragma unroll
    for (int i = 0; i < SLICE_KEYS; i += ROWS) {
        bool present = static_cast<u32>(row + i - first) < static_cast<u32>(end - first);
        copy_async_16(to + piece_at<COLUMNS>(row + i, piece), from + i * D, present);
    }
}

/** A warp's way through a chunk: of every tile first the slices of keys, then those of values, some of them ahead. */
template <class T, int D>
struct SliceRing {
    T* stages;
    const T* arena; // keys of the head in block 0
    i64 key_to_value;
    i64 slice_at;           // of lane i: where slice i of the chunk lies
    int first_key, end_key; // what is visible
    int next_key;
    bool next_values;
    int next_stage;

    __device__ __forceinline__ void start(const PagedKeys& paged, int chunk) {
        slice_at = paged.slice_at(chunk, threadIdx.x % CHUNK_SLICES);
        first_key = paged.first_key(chunk);
        end_key = paged.end_key(chunk);
        next_key = first_key / TILE_KEYS * TILE_KEYS;
        next_values = false;
        next_stage = 0;
    }

    __device__ __forceinline__ void fill() {
#pragma unroll
        for (int i = 0; i < STAGES - 1; i++) {
            load();
        }
    }

    /** The stage of the next slice, once it is there. */
    __device__ __forceinline__ const T* take() {
        wait_for_copies<STAGES - 2>();
        __syncwarp(); // the other lanes' copies too, and all lanes are done with the stage that is filled next
        load();
        return stages + next_stage * SLICE_KEYS * D; // all of them are under way, so the oldest is where the next will go
    }

    /** Something of the slice that begins with this key is visible. */
    __device__ __forceinline__ bool visible(int key) const {
        return key < end_key && key + SLICE_KEYS > first_key;
    }

  private:
    __device__ __forceinline__ void load() {
        i64 at = __shfl_sync(ALL_LANES, slice_at, next_key / SLICE_KEYS % CHUNK_SLICES);
        if (visible(next_key)) {
            const T* from = arena + at + (next_values ? key_to_value : 0);
            copy_slice<T, D, D>(stages + next_stage * SLICE_KEYS * D, from, first_key - next_key, end_key - next_key);
        }
        commit_copies();
        next_stage = next_stage == STAGES - 1 ? 0 : next_stage + 1;
        next_key += SLICE_KEYS;
        if (next_key % TILE_KEYS == 0) {
            next_key -= next_values ? 0 : TILE_KEYS;
            next_values = !next_values;
        }
    }
};

/** The next tile that a warp of decode_wide loads: through all chunks of its block, without a stop between them. */
struct TileCursor {
    int chunk;
    int key;
    i64 slice_at; // of lane i: where slice i lies, of the chunk below 16, of the block's next one from 16 on

    __device__ __forceinline__ void start(const PagedKeys& keys) {
        int lane = threadIdx.x % WARP;
        chunk = blockIdx.x;
        key = keys.first_key(chunk) / TILE_KEYS * TILE_KEYS;
        slice_at = keys.slice_at(lane < CHUNK_SLICES ? chunk : chunk + gridDim.x, lane % CHUNK_SLICES);
    }

    /** Where a slice of the tile lies; by the whole warp. */
    __device__ __forceinline__ i64 at(int slice) const {
        return __shfl_sync(ALL_LANES, slice_at, key / SLICE_KEYS % CHUNK_SLICES + slice);
    }

    __device__ __forceinline__ void advance(const PagedKeys& keys) {
        key += TILE_KEYS;
        if (key >= keys.end_key(chunk) && chunk < keys.chunks.count) {
            int lane = threadIdx.x % WARP;
            chunk += gridDim.x;
            key = keys.first_key(chunk); // not the row's first chunk, so the first key of a tile
            i64 next = __shfl_sync(ALL_LANES, slice_at, lane + CHUNK_SLICES);
            slice_at = lane < CHUNK_SLICES ? next : keys.slice_at(chunk + gridDim.x, lane % CHUNK_SLICES);
        }
    }
};

/**
 * What a warp of decode_wide copies: its slice of the keys and its quarter of the values, three tiles of each. The keys'
 * stage, once they are multiplied, holds the warp's scores for the others: after the block's barrier in the tile that
 * follows all have read them, and it is filled again. So in place of a wait for all there is one barrier in a tile.
 */
template <class T, int D>
struct TileRing {
    static constexpr int TILES = 3;
    static constexpr int STAGE = SLICE_KEYS * D; // elements: also those of 64 keys and a quarter of D
    static constexpr int QUARTER = D / WARPS;
    static_assert(STAGE * sizeof(T) >= SLICE_KEYS * 16 * sizeof(float), "the scores have no room in a stage");

    T* shared; // [warp][keys, then values][tile % 3]
    const T* arena;
    PagedKeys paged;
    TileCursor keys, values; // what is loaded next
    int key_stage, value_stage;

    __device__ __forceinline__ T* stage(int warp, int kind, int place) const {
        return shared + ((warp * 2 + kind) * TILES + place) * STAGE;
    }

    __device__ __forceinline__ void start() {
        keys.start(paged);
        values = keys;
        key_stage = value_stage = 0;
    }

    /**
     * Asks for the block's first chunk before the kernels before have ended: the memory has little to do meanwhile, and
     * nothing is read, so it does not matter that the last key is not there yet. Each warp asks for some of the slices.
     */
    __device__ __forceinline__ void prefetch_chunk() const {
        constexpr int PER_WARP = CHUNK_SLICES / WARPS;
        int lane = threadIdx.x % WARP;
        int slice = threadIdx.x / WARP * PER_WARP + lane % PER_WARP;
        i64 at = __shfl_sync(ALL_LANES, keys.slice_at, slice) + (lane < PER_WARP ? 0 : paged.shape.key_to_value());
        int key = (paged.chunks.first + keys.chunk) * CHUNK_KEYS + slice * SLICE_KEYS;
        if (lane < 2 * PER_WARP && keys.chunk < paged.chunks.count && paged.visible(key)) {
            prefetch(arena + at, STAGE * sizeof(T));
        }
    }

    /** All that there is room for, but the third tile's keys: load_keys of the first tile begins them. */
    __device__ __forceinline__ void fill() {
#pragma unroll
        for (int i = 0; i < TILES - 1; i++) {
            load_keys();
            load_values();
        }
        load_values();
    }

    __device__ __forceinline__ void load_keys() {
        int warp = threadIdx.x / WARP;
        int key = keys.key + warp * SLICE_KEYS;
        i64 at = keys.at(warp);
        if (keys.chunk < paged.chunks.count && paged.visible(key)) {
            copy_slice<T, D, D>(
                stage(warp, 0, key_stage), arena + at, paged.chunks.first_key - key, paged.chunks.end_key - key);
        }
        commit_copies();
        key_stage = key_stage == TILES - 1 ? 0 : key_stage + 1;
        keys.advance(paged);
    }

    __device__ __forceinline__ void load_values() {
        int warp = threadIdx.x / WARP;
        const T* quarter = arena + paged.shape.key_to_value() + warp * QUARTER;
        T* to = stage(warp, 1, value_stage);
#pragma unroll
        for (int slice = 0; slice < SLICES; slice++) {
            int key = values.key + slice * SLICE_KEYS;
            i64 at = values.at(slice);
            if (values.chunk < paged.chunks.count && paged.visible(key)) {
                copy_slice<T, D, QUARTER>(to + slice * SLICE_KEYS * QUARTER, quarter + at, paged.chunks.first_key - key,
                                          paged.chunks.end_key - key);
            }
        }
        commit_copies();
        value_stage = value_stage == TILES - 1 ? 0 : value_stage + 1;
        values.advance(paged);
    }
};

/** Leaves the warp's scores of 16 keys in the place of the keys: float4 [8 keys][lane], as they lie in the fragments. */
__device__ __forceinline__ void give_scores(void* place, const float (&scores)[2][4]) {
    float4* to = static_cast<float4*>(place) + threadIdx.x % WARP;
#pragma unroll
    for (int n = 0; n < 2; n++) {
        to[n * WARP] = {scores[n][0], scores[n][1], scores[n][2], scores[n][3]};
    }
}

__device__ __forceinline__ void take_scores(float (*scores)[4], const void* place) {
    const float4* from = static_cast<const float4*>(place) + threadIdx.x % WARP;
#pragma unroll
    for (int n = 0; n < 2; n++) {
        float4 four = from[n * WARP];
        scores[n][0] = four.x;
        scores[n][1] = four.y;
        scores[n][2] = four.z;
        scores[n][3] = four.w;
    }
}

/** The sums of so many dimensions of a chunk for up to 16 heads; heads lie chunks places of D from each other. */
template <int D, int COLUMNS>
__device__ __forceinline__ void write_values(float* partial, const Rows<COLUMNS>& state, int used, int chunks) {
#pragma unroll
    for (int row = 0; row < 2; row++) {
        int head = threadIdx.x % WARP / 4 + row * 8;
        if (head < used) {
            float2* pairs = reinterpret_cast<float2*>(partial + static_cast<i64>(head) * chunks * D) + threadIdx.x % 4;
#pragma unroll
            for (int i = 0; i < COLUMNS / 8; i++) {
                pairs[i * 4] = make_float2(state.values[i][2 * row], state.values[i][2 * row + 1]);
            }
        }
    }
}

template <int COLUMNS>
__device__ __forceinline__ void write_stats(float2* stats, const Rows<COLUMNS>& state, int used, int chunks) {
#pragma unroll
    for (int row = 0; row < 2; row++) {
        int head = threadIdx.x % WARP / 4 + row * 8;
        if (head < used && threadIdx.x % 4 == 0) {
            stats[static_cast<i64>(head) * chunks] = make_float2(state.largest[row], state.sum[row]);
        }
    }
}

/** Takes away the scores of keys that are not in the chunk, or not visible. */
__device__ __forceinline__ void mask_edges(float (&scores)[TILE_KEYS / 8][4], int tile, int first_key, int end_key) {
    int from = first_key - tile;
    int to = end_key - tile;
    if (from > 0 || to < TILE_KEYS) {
        mask(scores, {from, from}, {to, to});
    }
}

template <class T, int D>
__device__ __forceinline__ void decode(
    float* partial, float2* stats, const T* queries, const T* arena, const int* tables, const int* lengths, int chunks,
    int table_stride, int layer, int heads, KvShape shape, int window, float scale) {
    let_next_begin();
    SLUICE_DYNAMIC_SHARED(shared);
    int warp = threadIdx.x / WARP;
    HeadGroup group(heads, shape.kv_heads);
    PagedKeys paged{tables + static_cast<i64>(blockIdx.z) * table_stride, shape, {__ldg(lengths + blockIdx.z), window}};
    SliceRing<T, D> ring;
    ring.stages = reinterpret_cast<T*>(shared) + warp * STAGES * SLICE_KEYS * D;
    ring.arena = arena + shape.head_offset(layer, group.kv_head);
    ring.key_to_value = shape.key_to_value();
    int chunk = blockIdx.x + gridDim.x * warp;
    bool any = chunk < paged.chunks.count;
    if (any) {
        ring.start(paged, chunk);
    }
    wait_for_previous(); // lengths and tables are not from a kernel, queries and the last key are
    if (!any) {
        return;
    }
    ring.fill();
    u32 q[D / 16][4];
    group.load<T, D>(q, queries);
    Rows<D> state;
    state.reset();
    float factor = scale * 1.44269504f;
    for (int tile = ring.first_key / TILE_KEYS * TILE_KEYS; tile < ring.end_key; tile += TILE_KEYS) {
        float scores[TILE_KEYS / 8][4] = {};
#pragma unroll
        for (int j = 0; j < SLICES; j++) {
            const T* keys = ring.take();
            if (ring.visible(tile + j * SLICE_KEYS)) {
#pragma unroll
                for (int i = 0; i < D / 16; i++) {
                    multiply_keys<T, D, SLICE_KEYS>(scores + j * 2, q[i], keys, i);
                }
            }
        }
        mask_edges(scores, tile, ring.first_key, ring.end_key);
        weigh<D>(scores, state, factor);
#pragma unroll
        for (int j = 0; j < SLICES; j++) {
            const T* values = ring.take();
            if (ring.visible(tile + j * SLICE_KEYS)) {
                add_values<T, D, SLICE_KEYS>(state, scores + j * 2, values);
            }
        }
    }
    state.finish_sums();
    i64 at = group.first_head * chunks + chunk;
    write_values<D, D>(partial + at * D, state, group.used, chunks);
    write_stats(stats + at, state, group.used, chunks);
}

template <class T, int D>
__device__ __forceinline__ void decode_wide(
    float* partial, float2* stats, const T* queries, const T* arena, const int* tables, const int* lengths, int chunks,
    int table_stride, int layer, int heads, KvShape shape, int window, float scale) {
    let_next_begin();
    SLUICE_DYNAMIC_SHARED(shared);
    typedef TileRing<T, D> Ring;
    constexpr int QUARTER = Ring::QUARTER;
    int warp = threadIdx.x / WARP;
    HeadGroup group(heads, shape.kv_heads);
    Ring ring{reinterpret_cast<T*>(shared),
              arena + shape.head_offset(layer, group.kv_head),
              {tables + static_cast<i64>(blockIdx.z) * table_stride, shape, {__ldg(lengths + blockIdx.z), window}}};
    const PagedKeys& paged = ring.paged;
    ring.start();
    ring.prefetch_chunk();
    wait_for_previous(); // lengths and tables are not from a kernel, queries and the last key are
    if (static_cast<int>(blockIdx.x) >= paged.chunks.count) {
        return;
    }
    ring.fill();
    u32 q[D / 16][4];
    group.load<T, D>(q, queries);
    Rows<QUARTER> state;
    float factor = scale * 1.44269504f;
    int place = 0;
    wait_for_copies<4>(); // of keys, values, keys, values, values: the first
    for (int chunk = blockIdx.x; chunk < paged.chunks.count; chunk += gridDim.x) {
        int first_key = paged.first_key(chunk);
        int end_key = paged.end_key(chunk);
        state.reset();
        for (int tile = first_key / TILE_KEYS * TILE_KEYS; tile < end_key; tile += TILE_KEYS) {
            T* keys = ring.stage(warp, 0, place);
            float own[2][4] = {};
            __syncwarp(); // the other lanes' copies too
            if (paged.visible(tile + warp * SLICE_KEYS)) {
#pragma unroll
                for (int i = 0; i < D / 16; i++) {
                    multiply_keys<T, D, SLICE_KEYS>(own, q[i], keys, i);
                }
            }
            __syncwarp(); // all lanes are done with the keys
            give_scores(keys, own);
            __syncthreads(); // the scores are there for all, and all have read those of the tile before
            ring.load_keys(); // into the stage that had them
            float scores[TILE_KEYS / 8][4];
#pragma unroll
            for (int j = 0; j < SLICES; j++) {
                take_scores(scores + j * 2, ring.stage(j, 0, place));
            }
            mask_edges(scores, tile, first_key, end_key);
            weigh<QUARTER>(scores, state, factor);
            wait_for_copies<4>(); // this tile's values: behind them are at least two tiles' keys and two tiles' values
            __syncwarp();
            const T* values = ring.stage(warp, 1, place);
#pragma unroll
            for (int j = 0; j < SLICES; j++) {
                if (paged.visible(tile + j * SLICE_KEYS)) {
                    add_values<T, QUARTER, SLICE_KEYS>(state, scores + j * 2, values + j * SLICE_KEYS * QUARTER);
                }
            }
            __syncwarp(); // all lanes are done with the values
            ring.load_values(); // in their place
            wait_for_copies<3>(); // the next tile's keys; behind them two tiles' values and one tile's keys
            place = place == Ring::TILES - 1 ? 0 : place + 1;
        }
        state.finish_sums();
        i64 at = group.first_head * chunks + chunk;
        write_values<D, QUARTER>(partial + at * D + warp * QUARTER, state, group.used, chunks);
        if (warp == 0) {
            write_stats(stats + at, state, group.used, chunks);
        }
    }
}

/** How chunk after chunk is blended, the same for all dimensions of a head; one warp finds it for up to 128 chunks. */
struct BlendFactors {
    static constexpr int PER_LANE = STAGE_CHUNKS / WARP;
    float2 stats[PER_LANE]; // of chunks PER_LANE * lane ..
    float largest;          // of all chunks before

    __device__ __forceinline__ void load(const float2* from, int count) {
#pragma unroll
        for (int i = 0; i < PER_LANE; i++) {
            int chunk = threadIdx.x % WARP * PER_LANE + i;
            stats[i] = chunk < count ? from[chunk] : make_float2(MINUS_INFINITY, 0);
        }
    }

    /** Writes for each of the chunks what the blend before it keeps, what the chunk adds, and the sum that it adds. */
    __device__ __forceinline__ void write(float4* to) {
        int lane = threadIdx.x % WARP;
        float before[PER_LANE]; // the largest of the lane's chunks up to the one before
        float all = MINUS_INFINITY;
#pragma unroll
        for (int i = 0; i < PER_LANE; i++) {
            before[i] = all;
            all = fmaxf(all, stats[i].x);
        }
#pragma unroll
        for (int by = 1; by < WARP; by *= 2) {
            float other = __shfl_sync(ALL_LANES, all, lane + WARP - by);
            all = lane < by ? all : fmaxf(all, other);
        }
        float lanes_before = __shfl_sync(ALL_LANES, all, lane + WARP - 1);
        lanes_before = lane == 0 ? largest : fmaxf(largest, lanes_before);
#pragma unroll
        for (int i = 0; i < PER_LANE; i++) {
            Blend blend(fmaxf(lanes_before, before[i]), stats[i].x);
            to[lane * PER_LANE + i] = make_float4(blend.kept, blend.added, __fmul_rn(stats[i].y, blend.added), 0);
        }
        largest = fmaxf(largest, __shfl_sync(ALL_LANES, all, WARP - 1));
    }
};

/** Begins the copies of some dimensions of so many chunks to [chunk][dims]. */
__device__ __forceinline__ void load_partials(float* to, const float* from, int count, int dim, int dims) {
    int pieces = dims / 4;
    for (int i = threadIdx.x; i < count * pieces; i += blockDim.x) {
        int chunk = i / pieces;
        int piece = i % pieces;
        copy_async_16(to + i * 4, from + static_cast<i64>(chunk) * dim + piece * 4, true);
    }
    commit_copies();
}

template <class T>
__device__ __forceinline__ void reduce(
    T* out, const float* partial, const float2* stats, const int* lengths, int chunks, int dim, int window) {
    __shared__ __align__(16) float stages[2][STAGE_FLOATS];
    __shared__ __align__(16) float4 factors[STAGE_CHUNKS];
    let_next_begin();
    VisibleChunks visible(__ldg(lengths + blockIdx.y), window);
    wait_for_previous(); // lengths are not from a kernel
    if (visible.count == 0) {
        return; // an unused row
    }
    int dims = dim / gridDim.z;
    i64 head = static_cast<i64>(blockIdx.y) * gridDim.x + blockIdx.x;
    partial += head * chunks * dim + blockIdx.z * dims;
    stats += head * chunks;
    int at_once = min(STAGE_FLOATS / dims, STAGE_CHUNKS);
    bool finds_factors = threadIdx.x < WARP;
    BlendFactors blend;
    blend.largest = MINUS_INFINITY;
    if (finds_factors) {
        blend.load(stats, min(at_once, visible.count));
    }
    load_partials(stages[0], partial, min(at_once, visible.count), dim, dims);
    load_partials(stages[1], partial + static_cast<i64>(at_once) * dim, min(at_once, visible.count - at_once), dim, dims);
    float sum = 0;
    float value = 0;
    for (int first = 0, stage = 0; first < visible.count; first += at_once, stage ^= 1) {
        int count = min(at_once, visible.count - first);
        if (finds_factors) {
            blend.write(factors);
            blend.load(stats + first + at_once, min(at_once, visible.count - first - at_once));
        }
        wait_for_copies<1>();
        __syncthreads(); // factors and partial results are there for all
        if (static_cast<int>(threadIdx.x) < dims) {
            const float* values = stages[stage] + threadIdx.x;
#pragma unroll 8
            for (int i = 0; i < count; i++) {
                float4 factor = factors[i];
                value = __fmaf_rn(value, factor.x, __fmul_rn(values[i * dims], factor.y));
                sum = __fmaf_rn(sum, factor.x, factor.z);
            }
        }
        __syncthreads(); // all are done with both
        int next = first + 2 * at_once;
        load_partials(stages[stage], partial + static_cast<i64>(next) * dim, min(at_once, visible.count - next), dim, dims);
    }
    if (static_cast<int>(threadIdx.x) < dims) {
        out[head * dim + blockIdx.z * dims + threadIdx.x] = from_float<T>(value * finish(sum));
    }
}

#define DECODE_KERNEL(kernel, bounds, function, T, D)                                                                  \
    SLUICE_KERNEL bounds paged_attention_##kernel##_##D(                                                               \
        float* partial, float2* stats, const T* queries, const T* arena, const int* tables, const int* lengths,        \
        int chunks, int table_stride, int layer, int heads, int layers, int kv_heads, int block_size, int window,      \
        float scale) {                                                                                                 \
        function<T, D>(partial, stats, queries, arena, tables, lengths, chunks, table_stride, layer, heads,            \
                       KvShape{layers, kv_heads, block_size, D}, window, scale);                                       \
    }

#define DECODE(name, T, D) DECODE_KERNEL(decode_##name, __launch_bounds__(128), decode, T, D)
// As many blocks in a multiprocessor as its shared memory holds.
#define DECODE_WIDE(name, T, D) DECODE_KERNEL(decode_wide_##name, __launch_bounds__(128, 256 / D), decode_wide, T, D)

#define REDUCE(name, T)                                                                                                \
    SLUICE_KERNEL __launch_bounds__(128) paged_attention_reduce_##name(                                                \
        T* out, const float* partial, const float2* stats, const int* lengths, int chunks, int dim, int window) {      \
        reduce<T>(out, partial, stats, lengths, chunks, dim, window);                                                  \
    }

DECODE(bf16, Bf16, 16)
DECODE(bf16, Bf16, 32)
DECODE(bf16, Bf16, 64)
DECODE(bf16, Bf16, 128)
DECODE(fp16, Fp16, 64)
DECODE(fp16, Fp16, 128)
DECODE_WIDE(bf16, Bf16, 64)
DECODE_WIDE(bf16, Bf16, 128)
DECODE_WIDE(fp16, Fp16, 64)
DECODE_WIDE(fp16, Fp16, 128)
REDUCE(bf16, Bf16)
REDUCE(fp16, Fp16)
