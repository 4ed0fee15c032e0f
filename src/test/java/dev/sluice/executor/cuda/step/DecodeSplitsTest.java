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

    @ParameterizedTest
    @CsvSource({
        // chunks, blocks along heads and rows, multiprocessors, four warps on a chunk
        "4, 8, 132, true",
        "128, 8, 132, true",
        "132, 8, 132, true",
        "133, 8, 132, false",
        "512, 8, 132, false",
        "5, 512, 132, false",
        "1, 512, 132, true"
    })
    void warpsShareChunksWhereTheyAreFewerThanWarps(int chunks, int others, int multiprocessors, boolean wide) {
        assertThat(DecodeSplits.isWide(chunks, others, multiprocessors)).isEqualTo(wide);
    }

    @Test
    void everyWarpHasOneChunkAndTheLastBlockMayHaveFewer() {
        assertThat(DecodeSplits.splits(512)).isEqualTo(128);
        assertThat(DecodeSplits.splits(5)).isEqualTo(2);
        assertThat(DecodeSplits.splits(1)).isEqualTo(1);
    }

    @Test
    void blocksThatShareChunksFillTheDeviceOnceAndNoneIsWithoutAChunk() {
        assertThat(DecodeSplits.wideSplits(4, 8, 132)).isEqualTo(4);
        assertThat(DecodeSplits.wideSplits(128, 8, 132)).isEqualTo(33);
        assertThat(DecodeSplits.wideSplits(1, 512, 132)).isEqualTo(1);
    }

    @ParameterizedTest
    @CsvSource({
        // head dim, heads of all rows, parts
        "128, 32, 4",
        "128, 88, 2", // three would fill it, but do not divide a head
        "128, 256, 2",
        "128, 264, 1",
        "128, 2048, 1",
        "64, 32, 2",
        "16, 1, 1"
    })
    void aHeadIsReducedInPartsWhereHeadsAreFew(int headDim, int headsAndRows, int parts) {
        assertThat(DecodeSplits.parts(headDim, headsAndRows, 132)).isEqualTo(parts);
    }
}
