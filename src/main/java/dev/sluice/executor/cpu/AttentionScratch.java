package dev.sluice.executor.cpu;

import java.util.Arrays;

/** What one worker needs for a unit of attention. */
final class AttentionScratch {

    final KeyTile keys;
    final int[] queryAt;
    final float[] scores;
    final TileSums tile;
    final TileSums total;

    AttentionScratch(KvArena arena, int rowsMax, int width) {
        keys = new KeyTile(arena);
        queryAt = new int[rowsMax];
        scores = new float[rowsMax * KeyTile.STRIDE];
        tile = new TileSums(rowsMax, width);
        total = new TileSums(rowsMax, width);
    }

    /**
     * Turns a row's scores into weights; a row that sees no key of the tile gets none.
     *
     * @param from first visible key of the tile, {@code to} the one after the last
     */
    void weigh(TensorOps ops, int row, int from, int to, TileSums sums) {
        int at = row * KeyTile.STRIDE + KeyTile.LEAD;
        int rangeFrom = keys.from() / KvArena.KEY_GROUP * KvArena.KEY_GROUP;
        int rangeTo = (keys.to() + KvArena.KEY_GROUP - 1) / KvArena.KEY_GROUP * KvArena.KEY_GROUP;
        if (from < to) {
            ops.softmax(scores, at, from, to, rangeFrom, rangeTo, sums.max, sums.sum, row);
        } else {
            Arrays.fill(scores, at + rangeFrom, at + rangeTo, 0);
            sums.max[row] = Float.NEGATIVE_INFINITY;
            sums.sum[row] = 0;
        }
    }
}
