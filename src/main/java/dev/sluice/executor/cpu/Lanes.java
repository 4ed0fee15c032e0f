package dev.sluice.executor.cpu;

import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** The vector width of this machine, at most 512 bits, and what all kernels do with a single vector. */
final class Lanes {

    static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED.length() > 16
            ? FloatVector.SPECIES_512 // a panel of 32 outputs has no room for two wider vectors
            : FloatVector.SPECIES_PREFERRED;
    static final VectorSpecies<Integer> INTS =
            VectorSpecies.of(int.class, VectorShape.forBitSize(FLOATS.vectorBitSize()));
    static final int COUNT = FLOATS.length();
    static final int BYTES = COUNT * Float.BYTES;
    static final ByteOrder ORDER = ByteOrder.nativeOrder();

    // A byte placed in the mantissa of 2^23 (or, one byte further up, of 2^15) is that power plus the byte.
    static final IntVector LOW_BYTE = IntVector.broadcast(INTS, 0xff);
    static final IntVector LOW_BYTE_EXPONENT = IntVector.broadcast(INTS, 0x4b000000);
    static final FloatVector LOW_BYTE_BIAS = FloatVector.broadcast(FLOATS, 8_388_608 + 128);
    static final IntVector NEXT_BYTE = IntVector.broadcast(INTS, 0xff00);
    static final IntVector NEXT_BYTE_EXPONENT = IntVector.broadcast(INTS, 0x47000000);
    static final FloatVector NEXT_BYTE_BIAS = FloatVector.broadcast(FLOATS, 32_768 + 128);
    private static final IntVector HIGH_HALF = IntVector.broadcast(INTS, 0xffff0000);

    // Operands of FastExp: fields, because a constant made in a loop costs the compiler more than its own operation.
    static final FloatVector ZERO = constant(0);
    static final FloatVector ONE = constant(1);
    static final FloatVector MIN = constant(FastExp.MIN);
    static final FloatVector MAX = constant(FastExp.MAX);
    static final FloatVector LOG2_E = constant(FastExp.LOG2_E);
    static final FloatVector ROUNDER = constant(FastExp.ROUNDER);
    static final FloatVector LN2_HIGH = constant(FastExp.LN2_HIGH);
    static final FloatVector LN2_LOW = constant(FastExp.LN2_LOW);
    static final FloatVector P0 = constant(FastExp.P0);
    static final FloatVector P1 = constant(FastExp.P1);
    static final FloatVector P2 = constant(FastExp.P2);
    static final FloatVector P3 = constant(FastExp.P3);
    static final FloatVector P4 = constant(FastExp.P4);
    static final FloatVector P5 = constant(FastExp.P5);
    static final IntVector ONE_BITS = IntVector.broadcast(INTS, FastExp.ONE_BITS);

    private Lanes() {}

    /** The first of two BF16 numbers in each word. */
    static FloatVector lowHalf(IntVector words) {
        return words.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
    }

    /** The second of two BF16 numbers in each word. */
    static FloatVector highHalf(IntVector words) {
        return words.and(HIGH_HALF).reinterpretAsFloats();
    }

    /** The lowest of four int8 numbers, stored plus 128, in each word. */
    static FloatVector lowByte(IntVector words) {
        return words.and(LOW_BYTE).or(LOW_BYTE_EXPONENT).reinterpretAsFloats().sub(LOW_BYTE_BIAS);
    }

    /** The second lowest of four int8 numbers, stored plus 128, in each word. */
    static FloatVector nextByte(IntVector words) {
        return words.and(NEXT_BYTE).or(NEXT_BYTE_EXPONENT).reinterpretAsFloats().sub(NEXT_BYTE_BIAS);
    }

    /** Moves the two upper bytes of each word to where the two lower ones were. */
    static IntVector upperBytes(IntVector words) {
        return words.lanewise(VectorOperators.LSHR, 16);
    }

    static FloatVector constant(float value) {
        return FloatVector.broadcast(FLOATS, value);
    }
}
