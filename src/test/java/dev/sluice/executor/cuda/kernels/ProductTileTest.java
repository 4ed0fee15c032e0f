package dev.sluice.executor.cuda.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The blocks that a tile counts on do fit a multiprocessor of sm_90 together, by what the sources say of stages and launch
 * bounds and {@code kernel-table.csv} of registers.
 */
class ProductTileTest {

    private static final int SHARED_OF_MULTIPROCESSOR = 228 << 10;
    private static final int SHARED_OF_BLOCK = 227 << 10;
    private static final int SHARED_OF_SYSTEM = 1 << 10; // for each block
    private static final int REGISTERS = 65_536;
    private static final int REGISTERS_AT_ONCE = 8; // for a thread
    private static final int ROW_BYTES = 128;
    private static final int FLAG_BYTES = 8;
    private static final Path KERNELS = Path.of("src/main/cuda/kernels");
    private static final Path TABLE = Path.of("src/test/resources/cuda/kernel-table.csv");

    /** A tile in the source: whether by clusters of two, name, rows, columns, stages, blocks. */
    private static final Pattern KERNEL = Pattern.compile(
            "GEMM_WGMMA(?:_SCALED)?(_PAIR)?\\((\\w+), name, \\w+, Out, (\\d+), (\\d+), (\\d+), (\\d+)\\)");

    /** Its types: the rest of the kernels' names. */
    private static final Pattern TYPES = Pattern.compile("\nGEMM_WGMMAS\\((\\w+),");

    private record Bounds(int cluster, int rows, int columns, int stages, int blocks) {}

    @ParameterizedTest
    @ValueSource(strings = {"gemm_wgmma", "gemm_wgmma_int8", "gemm_wgmma_fp8"})
    void theBlocksOfATileFitAMultiprocessor(String file) throws IOException {
        String source = Files.readString(KERNELS.resolve(file + ".cu"));
        List<ProductTile> tiles = file.endsWith("fp8") ? ProductTile.WGMMA_FP8 : ProductTile.WGMMA;
        Map<String, Bounds> bounds = bounds(source);
        assertThat(bounds.keySet())
                .containsExactlyInAnyOrderElementsOf(
                        tiles.stream().map(ProductTile::name).toList());
        List<String> types =
                TYPES.matcher(source).results().map(found -> found.group(1)).toList();
        assertThat(types).isNotEmpty();
        Map<String, Integer> registers = registers();
        for (ProductTile tile : tiles) {
            Bounds kernel = bounds.get(tile.name());
            assertThat(new Bounds(tile.cluster(), tile.rows(), tile.columns(), kernel.stages, tile.blocksTogether()))
                    .as(tile.name())
                    .isEqualTo(kernel);
            assertThat(tile.threads()).as("threads of %s", tile).isEqualTo(Math.max(tile.rows(), 64) * 2 + 32);
            assertThat(tile.sharedBytes())
                    .as("shared bytes of %s", tile)
                    .isGreaterThanOrEqualTo(
                            kernel.stages * ((tile.rows() + tile.columns()) * ROW_BYTES + 2 * FLAG_BYTES))
                    .isLessThanOrEqualTo(SHARED_OF_BLOCK);
            assertThat(tile.blocksTogether() * (tile.sharedBytes() + SHARED_OF_SYSTEM))
                    .as("shared bytes of a multiprocessor, by %s", tile)
                    .isLessThanOrEqualTo(SHARED_OF_MULTIPROCESSOR);
            for (String type : types) {
                String name = "gemm_" + tile.name() + "_" + type;
                assertThat(registers).containsKey(name);
                int ofThread = Math.ceilDiv(registers.get(name), REGISTERS_AT_ONCE) * REGISTERS_AT_ONCE;
                assertThat(tile.blocksTogether() * tile.threads() * ofThread)
                        .as("registers of a multiprocessor, by %s", name)
                        .isLessThanOrEqualTo(REGISTERS);
            }
        }
    }

    /** One block more would wait until another one has ended, half a cluster would not be launched. */
    @ParameterizedTest
    @CsvSource({
        // tile, rows, columns of the product, multiprocessors, blocks
        "wgmma_128x256, 128, 256, 132, 1",
        "wgmma_128x256, 4096, 4096, 132, 132",
        "wgmma_64x128, 4096, 4096, 132, 264",
        "wgmma_128x256_pair, 128, 5, 132, 2",
        "wgmma_128x256_pair, 128, 512, 132, 2",
        "wgmma_128x256_pair, 129, 513, 132, 8",
        "wgmma_128x256_pair, 4096, 4096, 132, 132",
        "wgmma_128x192_pair, 4096, 4096, 113, 112"
    })
    void theBlocksOfAGridRunTogetherInWholeClusters(String name, int m, int n, int multiprocessors, int blocks) {
        ProductTile tile = ProductTile.WGMMA.stream()
                .filter(candidate -> candidate.name().equals(name))
                .findFirst()
                .orElseThrow();
        assertThat(tile.blocks(m, n, multiprocessors)).isEqualTo(blocks);
    }

    @ParameterizedTest
    @CsvSource({"1, 1, 1", "65, 64, 2", "70, 130, 6"})
    void otherKernelsHaveABlockForEachTile(int m, int n, int blocks) {
        ProductTile tile = ProductTile.TILED.getFirst();
        assertThat(tile.blocks(m, n, 1)).isEqualTo(blocks);
    }

    private static Map<String, Bounds> bounds(String source) {
        Map<String, Bounds> bounds = new HashMap<>();
        for (Matcher m = KERNEL.matcher(source); m.find(); ) {
            int cluster = m.group(1) == null ? 1 : 2;
            bounds.put(
                    "wgmma_" + m.group(2), new Bounds(cluster, number(m, 3), number(m, 4), number(m, 5), number(m, 6)));
        }
        return bounds;
    }

    private static int number(Matcher matcher, int group) {
        return Integer.parseInt(matcher.group(group));
    }

    private static Map<String, Integer> registers() throws IOException {
        Map<String, Integer> registers = new HashMap<>();
        for (String line : Files.readAllLines(TABLE)) {
            String[] fields = line.split(",");
            if (fields[1].equals("sm_90a")) {
                registers.put(fields[0], Integer.parseInt(fields[2]));
            }
        }
        return registers;
    }
}
