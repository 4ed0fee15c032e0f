package dev.sluice.offload.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.kv.BlockHash;
import dev.sluice.offload.ConnectorRequest;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Blocks, chunks and pages: which belongs to which, and which settings make none. */
class ChunkGeometryTest {

    /** Its blocks have the hashes 0, 1, 2, and so on. */
    private record Hashed(long sequence) implements ConnectorRequest {
        @Override
        public int promptLength() {
            return 40;
        }

        @Override
        public int tokenCount() {
            return 40;
        }

        @Override
        public int computedTokens() {
            return 40;
        }

        @Override
        public int hashedBlocks() {
            return 10;
        }

        @Override
        public BlockHash blockHash(int index) {
            return new BlockHash(index, 0, 0, 0);
        }

        @Override
        public int maxOffloadTokens() {
            return Integer.MAX_VALUE;
        }
    }

    private static BlockHash[] hashes(int... numbers) {
        return Arrays.stream(numbers).mapToObj(n -> new BlockHash(n, 0, 0, 0)).toArray(BlockHash[]::new);
    }

    @Test
    void aChunkHasItsOwnBlocksAndPagesAndTheNameOfItsLastBlock() {
        ChunkGeometry geometry = new ChunkGeometry(4, 3, 64);
        assertThat(geometry.chunkTokens()).isEqualTo(12);
        assertThat(geometry.chunkBytes()).isEqualTo(192);
        assertThat(geometry.key(new Hashed(1), 2)).isEqualTo(hashes(8)[0]);
        assertThat(geometry.pageKeys(new Hashed(1), 2)).isEqualTo(hashes(6, 7, 8));
        assertThat(geometry.pages(2)).containsExactly(6, 7, 8);
    }

    @Test
    void settingsThatMakeNoTierAreRefusedByName() {
        OffloadSettings least = new OffloadSettings(1, OffloadSettings.Eviction.LRU, 0, 1, true, true);
        assertThat(least.trackerSize()).isEqualTo(1);
        assertRefused(0, 0, 1, "blocks-per-chunk");
        assertRefused(1, -1, 1, "store-threshold");
        assertRefused(1, 0, 0, "tracker-size");
    }

    private static void assertRefused(int blocksPerChunk, int threshold, int trackerSize, String name) {
        assertThatThrownBy(() -> new OffloadSettings(
                        blocksPerChunk, OffloadSettings.Eviction.LRU, threshold, trackerSize, true, true))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(name);
    }
}
