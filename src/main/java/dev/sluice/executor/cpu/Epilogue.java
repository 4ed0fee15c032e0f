package dev.sluice.executor.cpu;

import static dev.sluice.executor.cpu.PackedMatrix.PAIR;
import static dev.sluice.executor.cpu.PackedMatrix.PANEL;

/** Where the sums of one pair of panels go. Pairs touch disjoint columns, so they may arrive on any thread. */
@SuppressWarnings("ArrayRecordComponent") // targets to write to, not values
sealed interface Epilogue {

    /** @param sums the first panel's {@code rows} rows of 32, and the second panel's from {@code second} on */
    void accept(int pair, int rows, float[] sums, int second, TensorOps ops);

    /** Row-major storage. */
    record Store(float[] target, int width) implements Epilogue {
        @Override
        public void accept(int pair, int rows, float[] sums, int second, TensorOps ops) {
            for (int row = 0; row < rows; row++) {
                int column = pair * PAIR;
                int at = row * width + column;
                System.arraycopy(sums, row * PANEL, target, at, columns(column));
                System.arraycopy(sums, second + row * PANEL, target, at + PANEL, columns(column + PANEL));
            }
        }

        private int columns(int column) {
            return Math.clamp(width - column, 0, PANEL);
        }
    }

    /** One array per row. */
    record Spread(float[][] targets, int width) implements Epilogue {
        @Override
        public void accept(int pair, int rows, float[] sums, int second, TensorOps ops) {
            int column = pair * PAIR;
            int left = Math.min(PANEL, width - column);
            int right = Math.clamp(width - column - PANEL, 0, PANEL);
            for (int row = 0; row < rows; row++) {
                System.arraycopy(sums, row * PANEL, targets[row], column, left);
                System.arraycopy(sums, second + row * PANEL, targets[row], column + left, right);
            }
        }
    }

    /** Addition to what is there: the residual connection. */
    record Add(float[] target, int width) implements Epilogue {
        @Override
        public void accept(int pair, int rows, float[] sums, int second, TensorOps ops) {
            for (int panel = 0; panel < 2; panel++) {
                int column = pair * PAIR + panel * PANEL;
                int columns = Math.clamp(width - column, 0, PANEL);
                for (int row = 0; row < rows; row++) {
                    int from = panel * second + row * PANEL;
                    int to = row * width + column;
                    for (int i = 0; i < columns; i++) {
                        target[to + i] += sums[from + i];
                    }
                }
            }
        }
    }

    /** The gated unit of the feed-forward layer: the first panel holds gates, the second what they let through. */
    record Gate(PackedRows target, int width) implements Epilogue {
        @Override
        public void accept(int pair, int rows, float[] sums, int second, TensorOps ops) {
            ops.gate(sums, 0, second, rows * PANEL);
            int column = pair * PANEL;
            int columns = Math.min(PANEL, width - column);
            float[] data = target.data();
            for (int row = 0; row < rows; row++) {
                int height = target.stride(row);
                int to = target.index(row) + column * height;
                int from = row * PANEL;
                for (int i = 0; i < columns; i++) {
                    data[to + i * height] = sums[from + i];
                }
            }
        }
    }
}
