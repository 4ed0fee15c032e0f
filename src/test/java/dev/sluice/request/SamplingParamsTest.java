package dev.sluice.request;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class SamplingParamsTest {

    @Test
    void aBuilderThatBeginsWithGivenValuesKeepsThemAll() {
        SamplingParams given = new SamplingParams(
                0.1f,
                0.2f,
                3,
                0.4f,
                0.5f,
                0.6f,
                0.7f,
                new int[] {8},
                new float[] {0.9f},
                10,
                11,
                12,
                new int[] {13},
                new int[] {14},
                15);
        assertThat(given.toBuilder().build()).isEqualTo(given); // the arrays are the same ones
        assertThat(given.toBuilder().seed(16).build().seed()).isEqualTo(16);
    }
}
