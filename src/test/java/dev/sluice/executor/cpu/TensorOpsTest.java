package dev.sluice.executor.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.sluice.executor.cpu.PackedMatrix.Format;
import dev.sluice.kv.KvLayout;
import dev.sluice.model.ModelSpec;
import dev.sluice.model.Quantization;
import dev.sluice.model.RopeSpec;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Vector and scalar operations must give the same bits, and what they give must be right. */
class TensorOpsTest {

    private static final TensorOps SCALAR = new ScalarOps();
    private static final TensorOps VECTOR = new VectorOps();

    @ParameterizedTest
    @EnumSource(Format.class)
    void oneRowGivesTheSameBitsInScalarsVectorsAndAsPartOfATile(Format format) {
        for (int inputs : new int[] {4, 8, 12, 36, 72, 100, 260, 512, 1408}) {
            Random random = new Random(inputs);
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment w = randomPair(arena, format, inputs, random);
                long panelBytes = w.byteSize() / 2;
                float[] a = gaussians(random, inputs);
                float[] scalar = new float[64];
                float[] vector = new float[64];
                SCALAR.multiplyRow(format, w, 0, panelBytes, inputs, a, 0, scalar, 0, 32);
                VECTOR.multiplyRow(format, w, 0, panelBytes, inputs, a, 0, vector, 0, 32);
                assertThat(vector).as(format + " " + inputs).isEqualTo(scalar);
                for (TensorOps ops : new TensorOps[] {SCALAR, VECTOR}) {
                    for (int height : new int[] {4, 8}) {
                        assertTileAgrees(arena, ops, format, w, panelBytes, inputs, a, height, scalar);
                    }
                }
                assertSumsAreRight(format, w, panelBytes, inputs, a, scalar);
            }
        }
    }

    /** Puts the row at every place of a tile among random others, in two uneven pieces. */
    private static void assertTileAgrees(
            Arena arena,
            TensorOps ops,
            Format format,
            MemorySegment w,
            long panelBytes,
            int inputs,
            float[] a,
            int height,
            float[] expected) {
        Random random = new Random(height);
        MemorySegment unpacked = arena.allocate((long) inputs * 128, 64);
        ops.unpack(format, w, panelBytes, inputs, unpacked);
        for (int place = 0; place < height; place++) {
            float[] tile = gaussians(random, inputs * height);
            for (int k = 0; k < inputs; k++) {
                tile[k * height + place] = a[k];
            }
            float[] sums = new float[height * 32];
            int cut = inputs / 3;
            ops.multiplyTile(unpacked, 0, cut, tile, 0, height, sums, 0);
            ops.multiplyTile(unpacked, cut * 128L, inputs - cut, tile, cut * height, height, sums, 0);
            assertThat(Arrays.copyOfRange(sums, place * 32, place * 32 + 32))
                    .as(ops.description() + " " + format + " row " + place + " of " + height)
                    .isEqualTo(Arrays.copyOfRange(expected, 32, 64));
        }
    }

    private static void assertSumsAreRight(
            Format format, MemorySegment w, long panelBytes, int inputs, float[] a, float[] sums) {
        for (int j = 0; j < 64; j++) {
            double sum = 0;
            double magnitude = 0;
            for (int k = 0; k < inputs; k++) {
                long row = j / 32 * panelBytes + (long) (k / format.inputsPerWord) * 128;
                int word = w.get(ValueLayout.JAVA_INT, row + j % 32 * 4L);
                double weight = PackedMatrix.decode(format, word, k % format.inputsPerWord);
                sum += weight * a[k];
                magnitude += Math.abs(weight * a[k]);
            }
            assertThat((double) sums[j]).isCloseTo(sum, within(magnitude * 1e-5));
        }
    }

    @Test
    void everyInt8ValueIsDecodedExactlyAtEveryPlaceOfAWord() {
        for (int value = -128; value < 128; value++) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment w = arena.allocate(128, 64);
                int word = (value + 128) * 0x01010101;
                for (int j = 0; j < 32; j++) {
                    w.set(ValueLayout.JAVA_INT, j * 4L, word);
                }
                MemorySegment unpacked = arena.allocate(4 * 128, 64);
                VECTOR.unpack(Format.I8, w, 0, 4, unpacked);
                for (int i = 0; i < 128; i++) {
                    assertThat(unpacked.get(ValueLayout.JAVA_FLOAT, i * 4L)).isEqualTo(value);
                }
            }
        }
    }

    @Test
    void exponentialIsAccurateAndSaturates() {
        for (float x = -86.9f; x < 87.9f; x += 0.0137f) {
            assertThat((double) FastExp.exp(x)).as("e^" + x).isCloseTo(Math.exp(x), within(Math.exp(x) * 3e-7));
        }
        assertThat(FastExp.exp(0)).isEqualTo(1);
        assertThat(FastExp.exp(1000)).isGreaterThan(1e38f).isLessThan(Float.POSITIVE_INFINITY);
        assertThat(FastExp.weight(Float.NEGATIVE_INFINITY)).isZero();
        assertThat(FastExp.exp(Float.NaN)).isNaN();
        assertThat(FastExp.weight(Float.NaN)).isNaN();
    }

    @Test
    void gatesScalesAndBlendsGiveTheSameBitsInScalarsAndVectors() {
        Random random = new Random(3);
        float[] values = gaussians(random, 640);
        for (int i = 0; i < 64; i++) {
            values[i] *= 100; // saturating gates
        }
        values[7] = Float.NaN;
        values[9] = Float.POSITIVE_INFINITY;
        values[11] = Float.NEGATIVE_INFINITY;
        float[] scalar = values.clone();
        float[] vector = values.clone();
        SCALAR.gate(scalar, 0, 320, 320);
        VECTOR.gate(vector, 0, 320, 320);
        assertThat(vector).isEqualTo(scalar);
        float[] scales = gaussians(random, 96);
        float[] shifts = gaussians(random, 96);
        SCALAR.scaleAndShift(scalar, 32, 5, scales, shifts, 64);
        VECTOR.scaleAndShift(vector, 32, 5, scales, shifts, 64);
        assertThat(vector).isEqualTo(scalar);
        SCALAR.blend(scalar, 64, 0.3f, values, 128, 0.7f, 96);
        VECTOR.blend(vector, 64, 0.3f, values, 128, 0.7f, 96);
        assertThat(vector).isEqualTo(scalar);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 8, 16, 17, 32, 48, 256, 300})
    void attentionGivesTheSameBitsInScalarsAndVectorsAtAnyBlockSize(int blockSize) {
        Random random = new Random(blockSize);
        for (int headDim : new int[] {2, 6, 8, 18, 34, 80}) {
            for (int rows : new int[] {1, 2, 3, 4, 5, 9}) {
                int start = 256 * random.nextInt(2);
                int from = random.nextInt(200);
                int to = from + 1 + random.nextInt(256 - from);
                compareAttention(random, blockSize, headDim, rows, start, from, to);
            }
        }
    }

    private static void compareAttention(
            Random random, int blockSize, int headDim, int rows, int start, int from, int to) {
        ModelSpec spec = spec(headDim);
        int blocks = 512 / blockSize + 2;
        try (Arena memory = Arena.ofConfined()) {
            KvArena arena = new KvArena(spec, new KvLayout(blocks + 1, blockSize), memory);
            float[] key = new float[2 * headDim];
            int[] table = new int[blocks];
            for (int i = 0; i < blocks; i++) {
                table[i] = blocks - i;
                for (int slot = 0; slot < blockSize; slot++) {
                    for (int j = 0; j < key.length; j++) {
                        key[j] = (float) random.nextGaussian();
                    }
                    arena.write(0, 0, table[i], slot, key, 0, headDim);
                }
            }
            float[] queries = gaussians(random, rows * headDim);
            int[] queryAt = new int[rows];
            for (int row = 0; row < rows; row++) {
                queryAt[row] = row * headDim;
            }
            AttentionScratch[] scratch = new AttentionScratch[2];
            for (int i = 0; i < 2; i++) {
                TensorOps ops = i == 0 ? SCALAR : VECTOR;
                AttentionScratch s = new AttentionScratch(arena, rows, KvArena.valueWidth(spec));
                s.keys.locate(table, start, from, to);
                ops.scores(arena.memory(), 0, s.keys, headDim, queries, queryAt, rows, s.scores);
                for (int row = 0; row < rows; row++) {
                    s.weigh(ops, row, Math.min(from + row, to), Math.max(from, to - rows + row), s.tile);
                }
                ops.values(arena.memory(), 0, s.keys, KvArena.valueWidth(spec), s.scores, rows, s.tile.values);
                scratch[i] = s;
            }
            String what =
                    "block size " + blockSize + ", head " + headDim + ", rows " + rows + ", keys " + from + "-" + to;
            assertThat(scratch[1].tile.max).as(what).isEqualTo(scratch[0].tile.max);
            assertThat(scratch[1].tile.sum).as(what).isEqualTo(scratch[0].tile.sum);
            assertThat(scratch[1].tile.values).as(what).isEqualTo(scratch[0].tile.values);
        }
    }

    private static ModelSpec spec(int headDim) {
        return new ModelSpec(
                "test",
                1,
                8,
                8,
                1,
                1,
                headDim,
                8,
                512,
                1e-5f,
                new RopeSpec(10_000, null),
                0,
                false,
                false,
                true,
                Quantization.NONE);
    }

    private static MemorySegment randomPair(Arena arena, Format format, int inputs, Random random) {
        MemorySegment w = arena.allocate(PackedMatrix.bytes(format, inputs, 1), 64);
        for (long at = 0; at < w.byteSize(); at += 4) {
            int word = switch (format) {
                case F32 -> Float.floatToRawIntBits((float) random.nextGaussian());
                case BF16 ->
                    (Float.floatToRawIntBits((float) random.nextGaussian()) >>> 16)
                            | (Float.floatToRawIntBits((float) random.nextGaussian()) & 0xffff0000);
                case I8 -> random.nextInt();
            };
            w.set(ValueLayout.JAVA_INT, at, word);
        }
        return w;
    }

    private static float[] gaussians(Random random, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }
}
