package dev.sluice.executor.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.sluice.executor.cuda.Numbers.Format;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenLogprobs;
import dev.sluice.sampling.Sampler;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Penalties and sampling on the emulated GPU, against the CPU's sampler and against the draw written out plainly. */
class EmulatedSamplingTest {

    private static final long GOLDEN_GAMMA = 0x9E3779B97F4A7C15L;

    private final EmulatedGpu gpu = EmulatedGpu.require();
    private final Random random = new Random(3);

    @Test
    void theBestIsTheLowestAmongEqualsAndBadLogitsAreRefused() {
        float bad = Float.NEGATIVE_INFINITY;
        int vocabulary =
                17001; // rows begin at any multiple of 4 bytes, and are longer than what all threads load at a time
        float[][] specials = {
            {700, 5, 701, 5},
            {3, Float.NaN},
            {3, Float.POSITIVE_INFINITY},
            {17000, 0.5f},
            {0, 0.25f},
            {1400, -0.0f, 1450, 0.0f},
            {17000, 0.5f},
            {0, 0.25f},
            {17000, 0.5f},
            {0, Float.NaN},
            {17000, Float.NaN},
            {1, 2, 0, 2},
            {16999, 1, 17000, 2}
        };
        float[] all = new float[(specials.length + 1) * vocabulary];
        for (int row = 0; row < specials.length; row++) {
            Arrays.fill(all, row * vocabulary, (row + 1) * vocabulary, -1);
            for (int i = 0; i < specials[row].length; i += 2) {
                all[row * vocabulary + (int) specials[row][i]] = specials[row][i + 1];
            }
        }
        Arrays.fill(all, specials.length * vocabulary, all.length, bad);
        Numbers logits = Numbers.floats(all);
        Numbers ids = Numbers.poisoned(Format.INT, specials.length + 1);
        int[] expected = {700, -1, -1, 17000, 0, 1400, 17000, 0, 17000, -1, -1, 0, 17000, -1};
        gpu.launch("sample_greedy", ids.count, 1, 1, 1024, 0, ids, logits, vocabulary);
        for (int row = 0; row < expected.length; row++) {
            assertThat(ids.id(row)).as("row %d", row).isEqualTo(expected[row]);
        }
        int rows = ids.count;
        Numbers again = Numbers.ints(new int[rows]);
        float[] zeros = new float[rows];
        gpu.launch(
                "sample",
                rows,
                1,
                1,
                1024,
                0,
                again,
                logits,
                Numbers.floats(zeros),
                Numbers.ints(new int[rows]),
                Numbers.floats(filled(rows, 1f)),
                Numbers.floats(zeros),
                Numbers.longs(new long[rows]),
                Numbers.ints(new int[rows]),
                vocabulary);
        assertThat(again.matches(0, ids, 0, rows)).isTrue();
    }

    @Test
    void penaltiesAreThoseOfTheSampler() {
        int vocabulary = 1100;
        int rows = 4;
        Numbers logits = Numbers.random(Format.F32, rows * vocabulary, random, 4);
        int[][] tokens = new int[rows][];
        int[] promptLengths = {3, 40, 0, 7};
        SamplingParams[] params = {
            new SamplingParams.Builder().build(),
            new SamplingParams.Builder()
                    .repetitionPenalty(1.7f)
                    .frequencyPenalty(0.4f)
                    .presencePenalty(-0.3f)
                    .bias(new int[] {2, 1099, 5000}, new float[] {4.5f, 4.75f, 1})
                    .build(),
            new SamplingParams.Builder()
                    .frequencyPenalty(1.5f)
                    .minTokens(100)
                    .endTokenIds(7)
                    .stopTokenIds(9, 4000)
                    .build(),
            new SamplingParams.Builder().repetitionPenalty(0.5f).build()
        };
        Numbers history = Numbers.longs(new long[rows * vocabulary / 2]);
        int[] slots = {-1, 2, 0, 1};
        int[] promptStarts = new int[rows + 1];
        int[] outputStarts = new int[rows + 1];
        int[] prompts = new int[rows * 60];
        int[] outputs = new int[rows * 60];
        for (int row = 0; row < rows; row++) {
            tokens[row] = random.ints(60, 0, vocabulary / 8).map(i -> i * 8).toArray();
            int prompt = promptLengths[row];
            System.arraycopy(tokens[row], 0, prompts, promptStarts[row], prompt);
            System.arraycopy(tokens[row], prompt, outputs, outputStarts[row], 60 - prompt);
            promptStarts[row + 1] = promptStarts[row] + prompt;
            outputStarts[row + 1] = outputStarts[row] + 60 - prompt;
        }
        Numbers slotArray = Numbers.ints(slots);
        gpu.launch(
                "record_tokens",
                rows,
                1,
                1,
                256,
                0,
                history,
                slotArray,
                Numbers.ints(promptStarts),
                Numbers.ints(prompts),
                0,
                vocabulary);
        gpu.launch(
                "record_tokens",
                rows,
                1,
                1,
                256,
                0,
                history,
                slotArray,
                Numbers.ints(outputStarts),
                Numbers.ints(outputs),
                1,
                vocabulary);
        Numbers adjusted = logits.copy();
        gpu.launch(
                "adjust_logits",
                rows,
                1,
                1,
                1024,
                0,
                adjusted,
                Numbers.ints(0, 0, 3, 3, 3),
                Numbers.ints(2, 1099, 5000),
                Numbers.floats(4.5f, 4.75f, 1),
                Numbers.ints(0, 0, 0, 3, 3),
                Numbers.ints(7, 9, 4000),
                history,
                slotArray,
                Numbers.floats(1, 1.7f, 1, 0.5f),
                Numbers.floats(0, 0.4f, 1.5f, 0),
                Numbers.floats(0, -0.3f, 0, 0),
                vocabulary);
        Sampler sampler = new Sampler(vocabulary);
        for (int row = 0; row < rows; row++) {
            float[] expected = logits.toFloats(row * vocabulary, vocabulary);
            sampler.sample(expected, params[row], tokens[row], promptLengths[row], 60); // in place, too
            float[] actual = adjusted.toFloats(row * vocabulary, vocabulary);
            for (int id = 0; id < vocabulary; id++) {
                assertThat(Math.abs(actual[id] - expected[id]) < 1e-6 || actual[id] == expected[id])
                        .as("row %d id %d: %s, expected %s", row, id, actual[id], expected[id])
                        .isTrue();
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        // vocabulary, temperature, top k, top p, min p, distinct values (few make ties)
        "300, 1, 0, 1, 0, 100000",
        "1500, 0.7, 5, 1, 0, 100000",
        "1500, 1.3, 40, 1, 0, 30",
        "1500, 1, 0, 0.5, 0, 100000",
        "1500, 1.5, 0, 0.9, 0, 12",
        "1500, 1, 50, 0.8, 0, 20",
        "1500, 1, 33, 0.999, 0, 3",
        "1100, 2, 0, 1, 0.3, 1000",
        "1100, 2, 25, 0.7, 0.1, 1000",
        "1100, 1, 1, 1, 0, 5",
        "1100, 1, 0, 0.000001, 0, 5",
        "1100, 0.01, 0, 0.9, 0, 100000",
        // rows that begin at any multiple of 4 bytes, shorter and longer than what all threads load at a time
        "1, 1, 0, 1, 0, 1",
        "3, 1, 2, 1, 0, 3",
        "6, 1, 0, 0.8, 0, 100000",
        "1501, 1, 50, 0.8, 0, 20",
        "4099, 1, 0, 0.95, 0, 100000",
        "17003, 1, 30, 0.9, 0, 1000"
    })
    void theDrawIsThePlainOne(int vocabulary, float temperature, int topK, float topP, float minP, int distinct) {
        int rows = 30;
        Numbers logits = Numbers.poisoned(Format.F32, rows * vocabulary);
        long[] seeds = random.longs(rows).toArray();
        int[] positions = random.ints(rows, 0, 5000).toArray();
        for (int i = 0; i < logits.count; i++) {
            logits.set(i, random.nextInt(distinct) * (6.0 / distinct) - 3 + (random.nextInt(97) == 0 ? 4 : 0));
        }
        Numbers ids = Numbers.poisoned(Format.INT, rows);
        gpu.launch(
                "sample",
                rows,
                1,
                1,
                1024,
                0,
                ids,
                logits,
                Numbers.floats(filled(rows, temperature)),
                Numbers.ints(filled(rows, topK)),
                Numbers.floats(filled(rows, topP)),
                Numbers.floats(filled(rows, minP)),
                Numbers.longs(seeds),
                Numbers.ints(positions),
                vocabulary);
        SamplingParams params = new SamplingParams.Builder()
                .temperature(temperature)
                .topK(topK)
                .topP(topP)
                .minP(minP)
                .build();
        for (int row = 0; row < rows; row++) {
            float[] x = logits.toFloats(row * vocabulary, vocabulary);
            assertThat(ids.id(row)).as("row %d", row).isEqualTo(draw(x, params, seeds[row], positions[row]));
        }
    }

    private static int draw(float[] x, SamplingParams p, long seed, int position) {
        Integer[] order = new Integer[x.length];
        Arrays.setAll(order, i -> i);
        Arrays.sort(order, Comparator.comparingDouble((Integer i) -> -x[i]).thenComparing(i -> i));
        double largest = x[order[0]];
        double total = 0;
        int kept = 0;
        while (kept < order.length && (p.topK() == 0 || kept < p.topK())) {
            double weight = Math.exp((x[order[kept]] - largest) / p.temperature());
            if (weight < p.minP()) {
                break;
            }
            total += weight;
            kept++;
        }
        double sum = 0;
        int chosen = -1;
        double best = Double.NEGATIVE_INFINITY;
        long stream = mix(mix(seed + GOLDEN_GAMMA) + GOLDEN_GAMMA * (position + 1L));
        for (int i = 0; i < kept && (i == 0 || p.topP() == 1 || sum < p.topP() * total); i++) {
            int id = order[i];
            double exponent = (x[id] - largest) / p.temperature();
            sum += Math.exp(exponent);
            double v = ((mix(stream + GOLDEN_GAMMA * (id + 1L)) >>> 32) + 0.5) * 0x1p-32;
            double score = exponent - Math.log(-Math.log1p(-v));
            if (score > best) {
                best = score;
                chosen = id;
            }
        }
        return chosen;
    }

    private static long mix(long z) {
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }

    @Test
    void logProbabilitiesAreThoseOfTheSampler() {
        int vocabulary = 1300;
        int rows = 4;
        int places = 6;
        Numbers logits = Numbers.random(Format.F32, rows * vocabulary, random, 5);
        for (int id = 0; id < vocabulary; id += 3) { // ties, and what has been masked
            logits.set(vocabulary + id, id % 2 == 0 ? 6 : Double.NEGATIVE_INFINITY);
        }
        int[] counts = {5, 6, -1, 0};
        int[] ids = new int[rows];
        Sampler sampler = new Sampler(vocabulary);
        TokenLogprobs[] expected = new TokenLogprobs[rows];
        for (int row = 0; row < rows; row++) {
            SamplingParams params = new SamplingParams.Builder()
                    .temperature(1)
                    .seed(row)
                    .logprobs(counts[row])
                    .build();
            ids[row] = sampler.sample(logits.toFloats(row * vocabulary, vocabulary), params, new int[0], 0, 0);
            expected[row] = sampler.lastLogprobs();
        }
        Numbers chosen = Numbers.poisoned(Format.F32, rows);
        Numbers best = Numbers.poisoned(Format.F32, rows * places);
        Numbers bestIds = Numbers.poisoned(Format.INT, rows * places);
        gpu.launch(
                "logprobs",
                rows,
                1,
                1,
                1024,
                0,
                chosen,
                best,
                bestIds,
                logits,
                Numbers.ints(ids),
                Numbers.ints(counts),
                places,
                vocabulary);
        for (int row = 0; row < rows; row++) {
            assertThat(Double.isNaN(chosen.get(row))).isEqualTo(counts[row] < 0);
            if (counts[row] >= 0) {
                assertThat(chosen.get(row)).isCloseTo(expected[row].logprob(), within(1e-5));
            }
            for (int place = 0; place < places; place++) {
                int at = row * places + place;
                if (place < counts[row]) {
                    assertThat(bestIds.id(at)).isEqualTo(expected[row].topIds()[place]);
                    assertThat(best.get(at)).isCloseTo(expected[row].topLogprobs()[place], within(1e-5));
                } else {
                    assertThat(bestIds.id(at)).isEqualTo(-1);
                    assertThat(best.get(at)).isNaN();
                }
            }
        }
    }

    @Test
    void drawsHaveTheDistribution() {
        int rows = 8000;
        double[] shares = {0.5, 0.25, 0.15, 0.1};
        float[] all = new float[rows * shares.length];
        int[] positions = new int[rows];
        for (int i = 0; i < all.length; i++) {
            all[i] = (float) Math.log(shares[i % shares.length]);
            positions[i / shares.length] = i / shares.length;
        }
        Numbers ids = Numbers.poisoned(Format.INT, rows);
        gpu.launch(
                "sample",
                rows,
                1,
                1,
                32, // one warp: fewer fibers, and no limits to find
                0,
                ids,
                Numbers.floats(all),
                Numbers.floats(filled(rows, 1f)),
                Numbers.ints(new int[rows]),
                Numbers.floats(filled(rows, 1f)),
                Numbers.floats(new float[rows]),
                Numbers.longs(new long[rows]),
                Numbers.ints(positions),
                shares.length);
        int[] counts = new int[shares.length];
        for (int row = 0; row < rows; row++) {
            counts[ids.id(row)]++;
        }
        for (int i = 0; i < shares.length; i++) {
            double deviation = Math.sqrt(rows * shares[i] * (1 - shares[i]));
            assertThat(counts[i] - rows * shares[i]).as("token %d", i).isBetween(-4 * deviation, 4 * deviation);
        }
    }

    private static float[] filled(int count, float value) {
        float[] values = new float[count];
        Arrays.fill(values, value);
        return values;
    }

    private static int[] filled(int count, int value) {
        int[] values = new int[count];
        Arrays.fill(values, value);
        return values;
    }
}
