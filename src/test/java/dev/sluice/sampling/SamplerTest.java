package dev.sluice.sampling;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenLogprobs;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SamplerTest {

    private static final float NEVER = Float.NEGATIVE_INFINITY;
    private static final int[] NO_TOKENS = {};
    private static final Offset<Double> CLOSE = Offset.offset(1e-9);

    private static int sample(float[] logits, SamplingParams p, int[] tokens, int promptLength) {
        return new Sampler(logits.length).sample(logits.clone(), p, tokens, promptLength, tokens.length);
    }

    private static SamplingParams.Builder warm() {
        return new SamplingParams.Builder().temperature(1);
    }

    private static double[] frequencies(float[] logits, SamplingParams.Builder p, int draws) {
        double[] counts = new double[logits.length];
        Sampler sampler = new Sampler(logits.length);
        for (int seed = 0; seed < draws; seed++) {
            counts[sampler.sample(logits.clone(), p.seed(seed).build(), NO_TOKENS, 0, 0)] += 1.0 / draws;
        }
        return counts;
    }

    @Test
    void greedyTakesTheBestAndTheLowestIdAmongEquals() {
        assertThat(sample(new float[] {1, 5, 5, 2}, SamplingParams.greedy(1), NO_TOKENS, 0))
                .isEqualTo(1);
    }

    @Test
    void drawsFollowTheDistribution() {
        float[] logits = {0, (float) Math.log(2), (float) Math.log(5), NEVER};
        double[] frequencies = frequencies(logits, warm(), 20_000);
        assertThat(frequencies[0]).isCloseTo(0.125, Offset.offset(0.01));
        assertThat(frequencies[1]).isCloseTo(0.25, Offset.offset(0.01));
        assertThat(frequencies[2]).isCloseTo(0.625, Offset.offset(0.01));
        assertThat(frequencies[3]).isZero();
    }

    @Test
    void temperatureSharpens() {
        float[] logits = {0, (float) Math.log(2)};
        assertThat(frequencies(logits, warm().temperature(0.5f), 20_000)[1]).isCloseTo(0.8, Offset.offset(0.01));
    }

    @Test
    void topKKeepsTheBestAndLowerIdsAmongEquals() {
        double[] frequencies = frequencies(new float[] {1, 2, 1, 2, 1}, warm().topK(3), 5_000);
        assertThat(frequencies[0]).isPositive();
        assertThat(frequencies[2]).isZero();
        assertThat(frequencies[4]).isZero();
        assertThat(frequencies(new float[] {1, 2}, warm().topK(1000), 1_000)[0]).isPositive();
    }

    @Test
    void topPKeepsTheFewestThatReachTheShare() {
        float[] logits = {(float) Math.log(0.5), (float) Math.log(0.3), (float) Math.log(0.2)};
        double[] frequencies = frequencies(logits, warm().topP(0.7f), 5_000);
        assertThat(frequencies[2]).isZero();
        assertThat(frequencies[0]).isCloseTo(0.625, Offset.offset(0.02));
        assertThat(frequencies(logits, warm().topP(0.01f), 200)[0]).isEqualTo(1, Offset.offset(1e-9));
    }

    @Test
    void minPDropsWhatIsFarBelowTheBest() {
        float[] logits = {0, (float) Math.log(0.3), (float) Math.log(0.1)};
        double[] frequencies = frequencies(logits, warm().minP(0.2f), 5_000);
        assertThat(frequencies[1]).isPositive();
        assertThat(frequencies[2]).isZero();
    }

    @Test
    void penaltiesFollowTheirFormulas() {
        int[] history = {0, 1, 1, 2};
        float[] logits = {4, 4, -4, 3.5f};
        Penalties penalties = new Penalties(4);
        SamplingParams p = new SamplingParams.Builder()
                .repetitionPenalty(2)
                .frequencyPenalty(0.5f)
                .presencePenalty(0.25f)
                .build();
        for (int again = 0; again < 2; again++) { // the second time finds the scratch space clean
            float[] shifted = logits.clone();
            penalties.apply(shifted, p, history, 1, history.length);
            assertThat(shifted).containsExactly(2, 2 - 1 - 0.25f, -8 - 0.5f - 0.25f, 3.5f);
        }
    }

    @Test
    void biasShiftsAndUnknownIdsAreIgnored() {
        SamplingParams p = new SamplingParams.Builder()
                .bias(new int[] {-1, 0, 99}, new float[] {100, 10, 100})
                .build();
        assertThat(sample(new float[] {0, 5}, p, NO_TOKENS, 0)).isZero();
    }

    @Test
    void endAndStopTokensAreMaskedUntilTheMinimum() {
        SamplingParams p = new SamplingParams.Builder()
                .minTokens(1)
                .endTokenIds(1)
                .stopTokenIds(2)
                .build();
        assertThat(sample(new float[] {0, 9, 8}, p, NO_TOKENS, 0)).isZero();
        assertThat(sample(new float[] {0, 9, 8}, p, new int[] {0}, 0)).isEqualTo(1);
    }

    @Test
    void brokenLogitsYieldNothingInsteadOfAnything() {
        assertThat(sample(new float[] {1, Float.NaN}, SamplingParams.greedy(1), NO_TOKENS, 0))
                .isEqualTo(-1);
        assertThat(sample(new float[] {1, Float.POSITIVE_INFINITY}, warm().build(), NO_TOKENS, 0))
                .isEqualTo(-1);
        assertThat(sample(new float[] {NEVER, NEVER}, warm().build(), NO_TOKENS, 0))
                .isEqualTo(-1);
    }

    @Test
    void aDrawDependsOnSeedAndPositionAlone() {
        float[] logits = new float[100];
        SamplingParams p = warm().seed(7).build();
        int fresh = sample(logits, p, new int[] {1, 2, 3}, 1);
        Sampler used = new Sampler(100);
        for (int i = 0; i < 10; i++) {
            used.sample(logits.clone(), warm().seed(i).build(), NO_TOKENS, 0, 0);
        }
        assertThat(used.sample(logits.clone(), p, new int[] {9, 8, 7}, 1, 3)).isEqualTo(fresh);
        assertThat(SeededRandom.uniform(1, 2))
                .isNotEqualTo(SeededRandom.uniform(2, 1))
                .isBetween(0.0, 1.0);
    }

    @Test
    void logprobsAreOfTheModelBeforeAnythingElse() {
        float[] logits = {0, (float) Math.log(3), NEVER, 0};
        Sampler sampler = new Sampler(4);
        SamplingParams p = new SamplingParams.Builder()
                .logprobs(3)
                .bias(new int[] {0}, new float[] {50})
                .build();
        assertThat(sampler.sample(logits.clone(), p, NO_TOKENS, 0, 0)).isZero();
        TokenLogprobs logprobs = sampler.lastLogprobs();
        assertThat(logprobs.logprob()).isCloseTo((float) Math.log(0.2), Offset.offset(1e-5f));
        assertThat(logprobs.topIds()).containsExactly(1, 0, 3);
        assertThat(logprobs.topLogprobs()[0]).isCloseTo((float) Math.log(0.6), Offset.offset(1e-5f));
        assertThat(sampler.sample(logits.clone(), SamplingParams.greedy(1), NO_TOKENS, 0, 0))
                .isEqualTo(1);
        assertThat(sampler.lastLogprobs()).isNull();
    }

    @Test
    void everyPairOfExtremesYieldsAValidToken() {
        Random random = new Random(3);
        float[] extremes = {0, 0.01f, 1, 2};
        for (int i = 0; i < 2_000; i++) {
            int size = 1 + random.nextInt(50);
            float[] logits = new float[size];
            for (int id = 0; id < size; id++) {
                logits[id] = random.nextInt(4) == 0 ? NEVER : (float) (random.nextGaussian() * 20);
            }
            logits[random.nextInt(size)] = 1;
            int[] history = random.ints(random.nextInt(20), 0, size).toArray();
            SamplingParams p = new SamplingParams.Builder()
                    .temperature(extremes[random.nextInt(4)])
                    .topP(random.nextBoolean() ? 1 : 1e-6f)
                    .topK(random.nextInt(3) * size)
                    .minP(random.nextInt(3) / 2f)
                    .repetitionPenalty(random.nextBoolean() ? 10 : 0.01f)
                    .presencePenalty(random.nextInt(5) - 2)
                    .frequencyPenalty(random.nextInt(5) - 2)
                    .seed(i)
                    .build();
            int token = sample(logits, p, history, history.length / 2);
            assertThat(token).as("case %d", i).isBetween(0, size - 1);
            assertThat(logits[token]).as("case %d", i).isNotEqualTo(NEVER);
        }
    }

    @Test
    void everyPositionOfAnAnswerDrawsAnew() {
        SamplingParams p = warm().seed(7).build();
        Set<Integer> drawn = new HashSet<>();
        for (int length = 3; length < 43; length++) {
            drawn.add(sample(new float[1000], p, new int[length], 3));
        }
        assertThat(drawn).as("tokens of 40 draws from 1000").hasSizeGreaterThan(30);
        assertThat(sample(new float[1000], p, new int[9], 4))
                .as("the position in the answer counts, not that in the sequence")
                .isEqualTo(sample(new float[1000], p, new int[8], 3));
    }

    /** By another implementation of SplitMix64; whoever has to change a number changes every answer with a seed. */
    @ParameterizedTest
    @CsvSource({
        "0, 0, 5876733520225071",
        "7, 0, 6498767946634617",
        "7, 1, 5852016415240665",
        "-1, 1000, 305201395430618",
        "9223372036854775807, 5, 5273131937713539"
    })
    void theDrawsOfASeedAreThoseOfEarlierReleases(long seed, long index, long bits) {
        assertThat(SeededRandom.uniform(seed, index)).isEqualTo(bits * 0x1p-53);
    }

    @Test
    void largeLogitsDoNotOverflow() {
        double[] frequencies = frequencies(new float[] {1000, 999}, warm(), 5_000);
        assertThat(frequencies[0]).isCloseTo(0.731, Offset.offset(0.02));
    }

    @Test
    void whatIsKeptIsDrawnByItsWeight() {
        float[] logits = {0, (float) Math.log(3), (float) Math.log(6), NEVER};
        double[] frequencies = frequencies(logits, warm().topK(2), 5_000);
        assertThat(frequencies[1]).isCloseTo(0.333, Offset.offset(0.02));
        assertThat(frequencies[2]).isCloseTo(0.667, Offset.offset(0.02));
    }

    @Test
    void limitsAtTheirBounds() {
        assertThat(frequencies(new float[] {1, 1}, warm().minP(1), 200)).doesNotContain(0);
        assertThat(frequencies(new float[] {1, 1}, warm().topP(0.5f), 200)).containsExactly(new double[] {1, 0}, CLOSE);
        assertThat(frequencies(new float[] {0, NEVER, NEVER}, warm().topK(2), 200)[0])
                .isEqualTo(1, CLOSE);
        assertThat(frequencies(new float[] {1, 1}, warm().temperature(Sampler.GREEDY_BELOW), 200))
                .doesNotContain(0);
        float colder = Math.nextDown(Sampler.GREEDY_BELOW);
        assertThat(frequencies(new float[] {1, 1}, warm().temperature(colder), 200)[0])
                .isEqualTo(1, CLOSE);
    }

    @Test
    void theMinimumCountsTheAnswerWithoutThePrompt() {
        SamplingParams p =
                new SamplingParams.Builder().minTokens(2).endTokenIds(1).build();
        assertThat(sample(new float[] {0, 9}, p, new int[4], 3)).isZero();
        assertThat(sample(new float[] {0, 9}, p, new int[5], 3)).isEqualTo(1);
    }

    @Test
    void eachPenaltyWorksWithoutTheOthers() {
        int[] history = {0, 1, 1};
        Penalties penalties = new Penalties(3);
        float[] frequency = {0, 0, 0};
        penalties.apply(
                frequency, new SamplingParams.Builder().frequencyPenalty(0.5f).build(), history, 0, 3);
        assertThat(frequency).containsExactly(-0.5f, -1, 0);
        float[] presence = {0, 0, 0};
        penalties.apply(
                presence, new SamplingParams.Builder().presencePenalty(0.5f).build(), history, 0, 3);
        assertThat(presence).containsExactly(-0.5f, -0.5f, 0);
        float[] none = {0, 0, 0};
        penalties.apply(
                none,
                new SamplingParams.Builder()
                        .bias(new int[] {3, 2}, new float[] {1, 1})
                        .build(),
                history,
                0,
                3);
        assertThat(none).as("3 is the first id that does not exist").containsExactly(0, 0, 1);
    }

    @Test
    void theBestAlternativesComeInOrderAndLowerIdsFirst() {
        float[] rising = {0, 1, 2, 3, 3};
        TokenLogprobs three = logprobs(rising, 3);
        assertThat(three.topIds()).containsExactly(3, 4, 2);
        float sum = (float) Math.log(2 * Math.exp(3) + Math.exp(2) + Math.exp(1) + 1);
        assertThat(three.topLogprobs()).containsExactly(new float[] {3 - sum, 3 - sum, 2 - sum}, Offset.offset(1e-5f));
        assertThat(logprobs(rising, 1).topIds()).containsExactly(3);
        assertThat(logprobs(new float[] {3, 2, 1, 0}, 2).topIds()).containsExactly(0, 1);
        TokenLogprobs none = logprobs(rising, 0);
        assertThat(none.topIds()).isEmpty();
        assertThat(none.logprob()).isCloseTo(3 - sum, Offset.offset(1e-5f));
    }

    private static TokenLogprobs logprobs(float[] logits, int count) {
        Sampler sampler = new Sampler(logits.length);
        sampler.sample(
                logits.clone(), new SamplingParams.Builder().logprobs(count).build(), NO_TOKENS, 0, 0);
        return sampler.lastLogprobs();
    }
}
