package dev.sluice.executor.cuda;

/** FP8 with four bits of exponent and three of mantissa, by a table of all its numbers. */
public final class E4m3 {

    static final double MAX = 448;
    private static final double[] MAGNITUDES = new double[127]; // 127 is NaN, and there is no infinity

    static {
        for (int code = 0; code < MAGNITUDES.length; code++) {
            int exponent = code / 8;
            MAGNITUDES[code] = exponent == 0 ? code * 0x1p-9 : (8 + code % 8) * Math.pow(2, exponent - 10);
        }
    }

    private E4m3() {}

    static double value(byte bits) {
        int code = bits & 0x7f;
        return code == 127 ? Double.NaN : bits < 0 ? -MAGNITUDES[code] : MAGNITUDES[code];
    }

    /** The nearest, of two the even one; what is too large is the largest. */
    public static byte nearest(double value) {
        if (Double.isNaN(value)) {
            return 127;
        }
        int best = 0;
        for (int code = 1; code < MAGNITUDES.length; code++) {
            double better = Math.abs(Math.abs(value) - MAGNITUDES[best]) - Math.abs(Math.abs(value) - MAGNITUDES[code]);
            if (better < 0) {
                break; // they ascend
            }
            best = better > 0 || code % 2 == 0 ? code : best;
        }
        return (byte) (Math.copySign(1, value) < 0 ? best | 0x80 : best);
    }
}
