package dev.sluice.model;

/** FP8 of four bits of exponent and three of mantissa ({@code F8_E4M3}): up to 448, without infinities. */
public final class Float8 {

    public static final float MAX = 448;

    private static final int NAN = 0x7f;
    private static final int LARGEST = 0x7e;
    private static final int MANTISSA_BITS_LOST = 20; // of a float's 23
    private static final int EXPONENT_DIFFERENCE = 127 - 7; // of the biases
    private static final int SMALLEST_NORMAL = 0x3c800000; // 2^-6, as the bits of a float
    private static final float PER_SUBNORMAL = 512; // subnormals are multiples of 2^-9
    private static final int INFINITY = 0x7f800000;
    private static final float[] VALUES = new float[256];

    static {
        for (int code = 0; code < VALUES.length; code++) {
            VALUES[code] = decode(code);
        }
    }

    private Float8() {}

    private static float decode(int code) {
        int magnitude = code & 0x7f;
        float value = magnitude == NAN
                ? Float.NaN
                : magnitude < 8
                        ? magnitude / PER_SUBNORMAL
                        : Float.intBitsToFloat((magnitude + (EXPONENT_DIFFERENCE << 3)) << MANTISSA_BITS_LOST);
        return code < 0x80 ? value : -value;
    }

    public static float toFloat(byte bits) {
        return VALUES[bits & 0xff];
    }

    /** The nearest, of two the even one; what is too large becomes the largest, and NaN stays NaN. */
    public static byte of(float value) {
        int bits = Float.floatToRawIntBits(value);
        int sign = bits >>> 24 & 0x80;
        int magnitude = bits & 0x7fffffff;
        if (magnitude > INFINITY) {
            return (byte) (sign | NAN);
        }
        if (magnitude < SMALLEST_NORMAL) {
            return (byte) (sign | (int) Math.rint(Math.abs(value) * PER_SUBNORMAL)); // 8 is the smallest normal
        }
        int half = (1 << (MANTISSA_BITS_LOST - 1)) - 1;
        int rounded = (magnitude + half + (magnitude >>> MANTISSA_BITS_LOST & 1)) >>> MANTISSA_BITS_LOST;
        return (byte) (sign | Math.min(LARGEST, rounded - (EXPONENT_DIFFERENCE << 3)));
    }
}
