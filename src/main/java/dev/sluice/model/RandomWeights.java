package dev.sluice.model;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import java.util.SplittableRandom;
import java.util.stream.LongStream;

/**
 * Weights out of nothing, for measuring a model of which there is only the {@code config.json}: every start gives the same.
 * All matrices are windows into one piece of random numbers, so that a model takes no more memory than its largest tensor.
 */
final class RandomWeights {

    private static final long SLACK = 1 << 20; // numbers by which windows are shifted against each other
    private static final long SHARE = 1 << 20; // numbers that are drawn by one thread at a time
    private static final int EXPONENT = 0x3c80; // bf16: numbers of about 1/64 to 1/32
    private static final short ONE = 0x3f80;

    private RandomWeights() {}

    static WeightMap of(WeightPlan plan, Arena arena) {
        SequencedMap<String, long[]> shapes = plan.shapes();
        long largest =
                shapes.values().stream().mapToLong(RandomWeights::count).max().orElse(0);
        long drawn = largest + SLACK;
        MemorySegment random = arena.allocate(Short.BYTES * drawn, 64);
        LongStream.range(0, Math.ceilDiv(drawn, SHARE)).parallel().forEach(share -> draw(random, share, drawn));
        MemorySegment ones = arena.allocate(Short.BYTES * largestVector(shapes), 64);
        for (long i = 0; i < ones.byteSize() / Short.BYTES; i++) {
            ones.setAtIndex(ValueLayout.JAVA_SHORT, i, ONE);
        }
        SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
        shapes.forEach((name, shape) -> {
            boolean norm = name.endsWith("norm.weight");
            long from = norm ? 0 : Math.floorMod(name.hashCode(), SLACK);
            MemorySegment data = (norm ? ones : random).asSlice(Short.BYTES * from, Short.BYTES * count(shape));
            tensors.put(name, new Tensor(name, DataType.BF16, shape, data.asReadOnly()));
        });
        return new TensorTable(tensors);
    }

    /** Small numbers of both signs: sums over thousands of them stay finite. */
    private static void draw(MemorySegment target, long share, long end) {
        SplittableRandom random = new SplittableRandom(share);
        for (long i = share * SHARE; i < Math.min(end, (share + 1) * SHARE); i++) {
            int bits = random.nextInt();
            target.setAtIndex(ValueLayout.JAVA_SHORT, i, (short) ((bits & 0x8000) | EXPONENT | (bits & 0x7f)));
        }
    }

    private static long count(long... shape) {
        long count = 1;
        for (long dimension : shape) {
            count = Math.multiplyExact(count, dimension);
        }
        return count;
    }

    private static long largestVector(SequencedMap<String, long[]> shapes) {
        return shapes.values().stream()
                .filter(shape -> shape.length == 1)
                .mapToLong(RandomWeights::count)
                .max()
                .orElse(1);
    }
}
