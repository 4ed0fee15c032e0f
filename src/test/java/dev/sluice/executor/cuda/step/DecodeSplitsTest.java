package dev.sluice.executor.cuda.step;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Room for the partial results of decoding rows: never too little, whatever is decoded together. */
class DecodeSplitsTest {

    private static final int BLOCK = 16;

    @ParameterizedTest
    @CsvSource({
        // heads, context, window, rows
        "32, 40960, 0, 128",
        "64, 40960, 0, 256",
        "40, 131072, 0, 256",
        "24, 131072, 0, 128",
        "32, 131072, 4096, 512",
        "32, 100000, 0, 126",
        "2, 512, 0, 3",
        "128, 131072, 0, 1"
    })
    void noWidthNeedsMoreThanThereIs(int heads, int context, int window, int rowsMax) {
        CudaAttention.Shape shape = new CudaAttention.Shape(1, heads, heads, 128, window, BLOCK);
        int longest = DecodeSplits.chunks(context, window);
        int places = DecodeSplits.places(rowsMax, longest, shape.partialBytes(1));
        assertThat(places).isGreaterThanOrEqualTo(longest);
        for (int width = 1; width <= context / BLOCK; width++) {
            int chunks = DecodeSplits.chunks((long) width * BLOCK, window);
            int rows = CudaAttention.rowsAtOnce(places, chunks, rowsMax);
            assertThat(rows).isBetween(1, rowsMax);
            assertThat((long) rows * chunks)
                    .as("chunks at a width of %d", width)
                    .isLessThanOrEqualTo(places);
        }
    }

    @Test
    void blocksFillTheDeviceButNoWarpIsWithoutAChunk() {
        assertThat(DecodeSplits.splits(128, 8, 132)).isEqualTo(33);
        assertThat(DecodeSplits.splits(4, 512, 132)).isEqualTo(1);
        assertThat(DecodeSplits.splits(3, 8, 132)).isEqualTo(3);
    }
}
