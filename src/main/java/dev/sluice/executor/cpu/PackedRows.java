package dev.sluice.executor.cpu;

import java.util.Arrays;

/**
 * Activations on their way into a matrix product: rows in tiles of four or eight, interleaved by column.
 *
 * <pre>
 *   tile:  column 0: row 0 row 1 .. row 7 | column 1: row 0 row 1 .. row 7 | ...
 * </pre>
 *
 * <p>A last tile of up to four rows is four high, a single row in all is not interleaved. Missing rows hold leftovers
 * that nobody reads results of. Columns are padded with zeros to a multiple of four, as the weights are.
 */
final class PackedRows {

    private final int columns;
    private final int width;
    private final int tileRows;
    private final float[] data;
    private int rows;

    /** @param tileRows 4 or 8, as {@link TensorOps#tileRows} wants it */
    PackedRows(int columns, int rowsMax, int tileRows) {
        this.columns = columns;
        this.tileRows = tileRows;
        width = PackedMatrix.paddedInputs(columns);
        data = new float[Math.multiplyExact(paddedRows(rowsMax), width)];
    }

    /** Makes room for so many rows; what was there is void. */
    void begin(int count) {
        rows = count;
        for (int tile = 0; width > columns && tile < tiles(); tile++) {
            int height = height(tile);
            int from = offset(tile);
            Arrays.fill(data, from + columns * height, from + width * height, 0); // meets zero weights
        }
    }

    float[] data() {
        return data;
    }

    int rows() {
        return rows;
    }

    /** So many rows and those that only fill their last tile. */
    int paddedRows(int count) {
        return count == 1 ? 1 : (count + tileRows - 1) / tileRows * tileRows;
    }

    int tiles() {
        return (rows + tileRows - 1) / tileRows;
    }

    int firstRow(int tile) {
        return tile * tileRows;
    }

    /** The row after a tile's last one. */
    int endRow(int tile) {
        return Math.min(firstRow(tile) + tileRows, rows);
    }

    /** Rows between two columns of a tile. */
    int height(int tile) {
        if (rows == 1) {
            return 1;
        }
        return rows - firstRow(tile) > 4 ? tileRows : 4;
    }

    /** Index of a tile's first element. */
    int offset(int tile) {
        return firstRow(tile) * width;
    }

    /** Index of a row's first element; the next column's is {@link #stride} further. */
    int index(int row) {
        return offset(row / tileRows) + row % tileRows;
    }

    /** Floats from one column of a row to the next. */
    int stride(int row) {
        return height(row / tileRows);
    }
}
