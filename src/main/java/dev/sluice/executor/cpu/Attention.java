package dev.sluice.executor.cpu;

import dev.sluice.model.ModelSpec;

/**
 * Causal attention through the block tables, for all sequences of a pass.
 *
 * <p>A unit of work is one key/value head and a few neighbouring positions of one sequence, with all query heads that
 * share it. Its keys are visited in {@link KeyTile tiles}: each tile yields a maximum, a sum and weighted values, and
 * tiles are blended into the result in ascending order. When units are too few to keep the workers busy, each tile
 * becomes a unit and the blending follows in a second round: the same operations in the same order, so the same bits.
 */
final class Attention {

    private static final int ROWS =
            32; // query rows a unit aims for: enough to use a tile of keys well while it is near
    private static final int SLOTS = 256; // tiles that can be in flight when units are split
    private static final int SPLIT_BELOW = 4; // units per worker

    private final TensorOps ops;
    private final Workers workers;
    private final KvArena arena;
    private final int kvHeads;
    private final int groupSize;
    private final int headDim;
    private final int width;
    private final int queryStride;
    private final int window;
    private final int queryBlock;
    private final AttentionScratch[] scratch;
    private final TileSums[] slots;
    private final int[] unitSegment;
    private final int[] unitQuery;
    private final int[] unitSlot;
    private final int[] slotUnit;
    private final Workers.Job wholeUnits = this::attend;
    private final Workers.Job singleTiles = this::attendTile;
    private final Workers.Job blending = this::blendTiles;
    private Pass pass;
    private float[] queries = {};
    private PackedRows output;
    private int layer;
    private int units;
    private int tiles;
    private boolean split;

    /** @param queryStride floats from one row of queries to the next */
    Attention(ModelSpec spec, KvArena arena, TensorOps ops, Workers workers, int rowsMax, int queryStride) {
        this.ops = ops;
        this.workers = workers;
        this.arena = arena;
        this.queryStride = queryStride;
        kvHeads = spec.kvHeads();
        groupSize = spec.groupSize();
        headDim = spec.headDim();
        window = spec.slidingWindow() > 0 ? spec.slidingWindow() : Integer.MAX_VALUE;
        queryBlock = Math.max(1, ROWS / groupSize);
        width = KvArena.valueWidth(spec);
        scratch = new AttentionScratch[workers.threads()];
        for (int i = 0; i < scratch.length; i++) {
            scratch[i] = new AttentionScratch(arena, queryBlock * groupSize, width);
        }
        slots = new TileSums[workers.threads() > 1 ? SLOTS : 0];
        unitSegment = new int[Math.multiplyExact(rowsMax, kvHeads)];
        unitQuery = new int[unitSegment.length];
        unitSlot = new int[unitSegment.length];
        slotUnit = new int[SLOTS];
        pass = new Pass(0);
        output = new PackedRows(1, 1, ops.tileRows());
        for (int i = 0; i < slots.length; i++) {
            slots[i] = new TileSums(queryBlock * groupSize, width);
        }
    }

    /** Decides on the units of a pass; the same for all its layers. */
    void begin(Pass newPass) {
        pass = newPass;
        units = 0;
        tiles = 0;
        int tilesMax = 0;
        for (int segment = 0; segment < pass.segments(); segment++) {
            for (int query = 0; query < pass.count(segment); query += queryBlock) {
                for (int head = 0; head < kvHeads; head++) {
                    unitSegment[units] = segment;
                    unitQuery[units] = query;
                    unitSlot[units] = tiles;
                    int count = lastTile(units) - firstTile(units) + 1;
                    tilesMax = Math.max(tilesMax, count);
                    tiles += count;
                    units++;
                }
            }
        }
        split = slots.length > 0 && units < SPLIT_BELOW * workers.threads() && tilesMax > 1 && tiles <= SLOTS;
        for (int unit = 0; split && unit < units; unit++) {
            int end = unit + 1 < units ? unitSlot[unit + 1] : tiles;
            for (int slot = unitSlot[unit]; slot < end; slot++) {
                slotUnit[slot] = unit;
            }
        }
    }

    /** Attends in one layer, from rotated and scaled queries to the rows that the output projection reads. */
    void run(int newLayer, float[] newQueries, PackedRows newOutput) {
        layer = newLayer;
        queries = newQueries;
        output = newOutput;
        if (split) {
            workers.run(tiles, singleTiles);
            workers.run(units, blending);
        } else {
            workers.run(units, wholeUnits);
        }
    }

    private void attend(int worker, int unit) {
        AttentionScratch s = scratch[worker];
        int rows = rows(unit);
        s.total.reset(rows);
        locateQueries(s, unit);
        for (int tile = firstTile(unit); tile <= lastTile(unit); tile++) {
            visit(s, unit, tile, s.tile);
            s.total.blend(ops, s.tile, rows);
        }
        write(s.total, unit);
    }

    private void attendTile(int worker, int slot) {
        int unit = slotUnit[slot];
        AttentionScratch s = scratch[worker];
        locateQueries(s, unit);
        visit(s, unit, firstTile(unit) + slot - unitSlot[unit], slots[slot]);
    }

    private void blendTiles(int worker, int unit) {
        TileSums total = scratch[worker].total;
        int rows = rows(unit);
        total.reset(rows);
        int count = lastTile(unit) - firstTile(unit) + 1;
        for (int i = 0; i < count; i++) {
            total.blend(ops, slots[unitSlot[unit] + i], rows);
        }
        write(total, unit);
    }

    private void visit(AttentionScratch s, int unit, int tile, TileSums sums) {
        int start = tile * KeyTile.KEYS;
        int first = firstPosition(unit);
        int last = lastPosition(unit);
        int from = Math.max(firstVisible(first) - start, 0);
        int to = Math.min(last + 1 - start, KeyTile.KEYS);
        s.keys.locate(pass.blocks(unitSegment[unit]), start, from, to);
        long base = arena.base(layer, unit % kvHeads);
        int rows = rows(unit);
        ops.scores(arena.memory(), base, s.keys, headDim, queries, s.queryAt, rows, s.scores);
        for (int row = 0; row < rows; row++) {
            int position = first + row / groupSize;
            s.weigh(
                    ops,
                    row,
                    Math.max(firstVisible(position) - start, 0),
                    Math.min(position + 1 - start, KeyTile.KEYS),
                    sums);
        }
        ops.values(arena.memory(), base, s.keys, width, s.scores, rows, sums.values);
    }

    private void locateQueries(AttentionScratch s, int unit) {
        int row = pass.firstRow(unitSegment[unit]) + unitQuery[unit];
        int head = unit % kvHeads * groupSize;
        for (int i = 0; i < rows(unit); i++) {
            s.queryAt[i] = (row + i / groupSize) * queryStride + (head + i % groupSize) * headDim;
        }
    }

    private void write(TileSums total, int unit) {
        int firstRow = pass.firstRow(unitSegment[unit]) + unitQuery[unit];
        int head = unit % kvHeads * groupSize;
        float[] data = output.data();
        for (int i = 0; i < rows(unit); i++) {
            int row = firstRow + i / groupSize;
            int height = output.stride(row);
            int to = output.index(row) + (head + i % groupSize) * headDim * height;
            float factor = 1 / total.sum[i];
            for (int j = 0; j < headDim; j++) {
                data[to + j * height] = total.values[i * width + j] * factor;
            }
        }
    }

    private int queryCount(int unit) {
        return Math.min(queryBlock, pass.count(unitSegment[unit]) - unitQuery[unit]);
    }

    private int rows(int unit) {
        return queryCount(unit) * groupSize;
    }

    private int firstPosition(int unit) {
        return pass.position(pass.firstRow(unitSegment[unit]) + unitQuery[unit]);
    }

    private int lastPosition(int unit) {
        return firstPosition(unit) + queryCount(unit) - 1;
    }

    private int firstVisible(int position) {
        return Math.max(0, position - window + 1);
    }

    private int firstTile(int unit) {
        return firstVisible(firstPosition(unit)) / KeyTile.KEYS;
    }

    private int lastTile(int unit) {
        return lastPosition(unit) / KeyTile.KEYS;
    }
}
