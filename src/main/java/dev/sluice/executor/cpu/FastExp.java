package dev.sluice.executor.cpu;

/**
 * The exponential function in 32-bit floats, to about one unit in the last place.
 *
 * <p>Splits x into n ln 2 + r and takes the polynomial of Cephes for e^r. Written out so that the scalar and the vector
 * form round at the same places: the libraries' own functions differ between widths and platforms.
 */
final class FastExp {

    static final float MIN = -87;
    static final float MAX = 88;
    static final float LOG2_E = 1.442695f;
    static final float ROUNDER = 12_582_912; // 1.5 * 2^23: adding it rounds to an integer, kept in the low bits
    static final float LN2_HIGH = -6.933594e-1f;
    static final float LN2_LOW = 2.1219444e-4f;
    static final float P0 = 1.9875691e-4f;
    static final float P1 = 1.3981999e-3f;
    static final float P2 = 8.333452e-3f;
    static final float P3 = 4.1665796e-2f;
    static final float P4 = 1.6666666e-1f;
    static final float P5 = 5e-1f;
    static final int ONE_BITS = 0x3f800000;

    private FastExp() {}

    /** e^x, saturating at both ends; NaN stays NaN. */
    static float exp(float x) {
        float c = Math.min(Math.max(x, MIN), MAX);
        float rounded = Math.fma(c, LOG2_E, ROUNDER);
        float n = rounded - ROUNDER;
        float r = Math.fma(n, LN2_LOW, Math.fma(n, LN2_HIGH, c));
        float p = Math.fma(P0, r, P1);
        p = Math.fma(p, r, P2);
        p = Math.fma(p, r, P3);
        p = Math.fma(p, r, P4);
        p = Math.fma(p, r, P5);
        float power = Float.intBitsToFloat((Float.floatToRawIntBits(rounded) << 23) + ONE_BITS);
        return (Math.fma(p, r * r, r) + 1) * power;
    }

    /** e^x for softmax: exactly zero where it would be less than any normal float. */
    static float weight(float x) {
        return x < MIN ? 0 : exp(x);
    }

    /** {@code x * sigmoid(x)}. */
    static float silu(float x) {
        return x / (exp(-x) + 1);
    }
}
