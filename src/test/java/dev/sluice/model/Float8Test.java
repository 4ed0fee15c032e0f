package dev.sluice.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;

class Float8Test {

    private static final int CODES = 127; // of numbers without a sign

    @Test
    void codesAreWhatTheFormatSays() {
        for (int code = 0; code < CODES; code++) {
            int exponent = code >> 3;
            double value = exponent == 0 ? code * 0x1p-9 : (1 + (code & 7) / 8.0) * Math.pow(2, exponent - 7);
            assertThat((double) Float8.toFloat((byte) code)).isEqualTo(value);
            assertThat((double) Float8.toFloat((byte) (code | 0x80))).isEqualTo(-value);
            assertThat(Float8.of((float) value)).isEqualTo((byte) code);
            assertThat(Float8.of((float) -value)).isEqualTo((byte) (code | 0x80));
        }
        assertThat(Float8.toFloat((byte) 126)).isEqualTo(Float8.MAX);
        assertThat(Float8.toFloat((byte) 127)).isNaN();
        assertThat(Float8.toFloat((byte) -1)).isNaN();
    }

    @Test
    void theNearestIsTakenAndOfTwoTheEven() {
        for (int code = 0; code < CODES - 1; code++) {
            float middle = (Float8.toFloat((byte) code) + Float8.toFloat((byte) (code + 1))) / 2;
            assertThat(Float8.of(Math.nextDown(middle))).isEqualTo((byte) code);
            assertThat(Float8.of(Math.nextUp(middle))).isEqualTo((byte) (code + 1));
            assertThat(Float8.of(middle)).isEqualTo((byte) (code % 2 == 0 ? code : code + 1));
        }
    }

    @Test
    void whatIsTooLargeIsTheLargestAndNaNStaysNaN() {
        for (float large : new float[] {448.1f, 464, 480, 1e9f, Float.MAX_VALUE, Float.POSITIVE_INFINITY}) {
            assertThat(Float8.of(large)).isEqualTo((byte) 0x7e);
            assertThat(Float8.of(-large)).isEqualTo((byte) 0xfe);
        }
        assertThat(Float8.toFloat(Float8.of(Float.NaN))).isNaN();
        assertThat(Float8.toFloat(Float8.of(-Float.NaN))).isNaN();
        assertThat(Float8.of(Float.MIN_VALUE)).isZero();
    }

    @Test
    void noOtherNumberIsNearer() {
        Random random = new Random(5);
        for (int i = 0; i < 10_000; i++) {
            float value = (float) (random.nextGaussian() * Math.pow(2, random.nextInt(20) - 12));
            double error = Math.abs(Float8.toFloat(Float8.of(value)) - value);
            for (int code = 0; code < CODES; code++) {
                assertThat(error).isLessThanOrEqualTo(Math.abs(Float8.toFloat((byte) code) - Math.abs(value)));
            }
        }
    }
}
