package dev.sluice.executor.cuda.step;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import dev.sluice.executor.ScheduledSequence;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.StepResult;
import dev.sluice.request.SamplingParams;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** The samples of one pass: what is asked for each, written down for the device, and how the answers are read. */
public final class SampleBatch {

    private static final float GREEDY_BELOW = 1e-5f; // as sample.cu has it

    private final SampleResults results;
    private final int vocabularySize;
    private final int[] line;
    private final int[] alternatives;
    private SampleLayout layout = new SampleLayout(0, 0, 0);
    private boolean greedy;
    private boolean adjusted;
    private boolean logprobs;

    public SampleBatch(PassLimits limits, int vocabularySize) {
        results = new SampleResults(limits.lines());
        this.vocabularySize = vocabularySize;
        line = new int[limits.lines()];
        alternatives = new int[limits.lines()];
    }

    /** What of a sequence's wishes cannot be served; null if all can. */
    public static @Nullable String problem(SamplingParams p) {
        if (p.logprobs() > SampleResults.PLACES) {
            return p.logprobs() + " log-probabilities exceed the limit of " + SampleResults.PLACES;
        }
        if (p.biasTokenIds().length > SampleLayout.BIASES_MAX) {
            return p.biasTokenIds().length + " biases exceed the limit of " + SampleLayout.BIASES_MAX;
        }
        int masks = p.endTokenIds().length + p.stopTokenIds().length;
        if (p.minTokens() > 0 && masks > SampleLayout.MASKS_MAX) {
            return masks + " end and stop tokens exceed the limit of " + SampleLayout.MASKS_MAX;
        }
        return null;
    }

    /**
     * Writes down the samples of a pass that has been written itself.
     *
     * @param history notes what was said before, for those with penalties
     */
    public void write(MemorySegment target, CudaPass pass, StepPlan plan, TokenHistory history) {
        int biases = 0;
        int masks = 0;
        for (int i = 0; i < pass.samples(); i++) {
            ScheduledSequence sequence = plan.get(pass.sampledLine(i));
            biases += sequence.sampling.biasTokenIds().length;
            masks += masks(sequence);
        }
        layout = new SampleLayout(pass.samples(), biases, masks);
        greedy = true;
        adjusted = biases + masks > 0;
        logprobs = false;
        int bias = 0;
        int mask = 0;
        for (int i = 0; i < layout.samples(); i++) {
            line[i] = pass.sampledLine(i);
            ScheduledSequence sequence = plan.get(line[i]);
            SamplingParams p = sequence.sampling;
            writeNumbers(target, i, sequence, pass.sampledLastId(i), history);
            set(target, layout.biasStarts() + i, bias);
            set(target, layout.maskStarts() + i, mask);
            for (int j = 0; j < p.biasTokenIds().length; j++, bias++) {
                set(target, layout.biasIds() + bias, p.biasTokenIds()[j]);
                set(target, layout.biasValues() + bias, p.biasValues()[j]);
            }
            if (masks(sequence) > 0) {
                mask = writeMask(target, mask, p.endTokenIds());
                mask = writeMask(target, mask, p.stopTokenIds());
            }
        }
        set(target, layout.biasStarts() + layout.samples(), bias);
        set(target, layout.maskStarts() + layout.samples(), mask);
    }

    private static int masks(ScheduledSequence sequence) {
        SamplingParams p = sequence.sampling;
        return sequence.outputCount() < p.minTokens() ? p.endTokenIds().length + p.stopTokenIds().length : 0;
    }

    private int writeMask(MemorySegment target, int at, int[] ids) {
        MemorySegment.copy(ids, 0, target, JAVA_INT, (long) Integer.BYTES * (layout.maskIds() + at), ids.length);
        return at + ids.length;
    }

    private void writeNumbers(
            MemorySegment target, int i, ScheduledSequence sequence, int lastId, TokenHistory history) {
        SamplingParams p = sequence.sampling;
        target.set(JAVA_LONG_UNALIGNED, (long) Long.BYTES * i, p.seed());
        set(target, layout.temperature() + i, p.temperature());
        set(target, layout.topP() + i, p.topP());
        set(target, layout.minP() + i, p.minP());
        set(target, layout.repetition() + i, p.repetitionPenalty());
        set(target, layout.frequency() + i, p.frequencyPenalty());
        set(target, layout.presence() + i, p.presencePenalty());
        set(target, layout.topK() + i, p.topK());
        set(target, layout.positions() + i, sequence.outputCount());
        alternatives[i] = Math.min(p.logprobs(), vocabularySize);
        set(target, layout.logprobs() + i, alternatives[i]);
        boolean penalties = hasPenalties(p);
        set(target, layout.slots() + i, penalties ? history.note(sequence, lastId) : -1);
        greedy &= p.temperature() < GREEDY_BELOW;
        adjusted |= penalties;
        logprobs |= p.logprobs() >= 0;
    }

    /** True if the host has to know all tokens before, to count them. */
    public static boolean hasPenalties(SamplingParams p) {
        return p.repetitionPenalty() != 1 || p.frequencyPenalty() != 0 || p.presencePenalty() != 0;
    }

    /** Line of the plan that a sample is for. */
    public int line(int sample) {
        return line[sample];
    }

    /** Where what was written lies. */
    public SampleLayout layout() {
        return layout;
    }

    /** True if every sample takes the best token. */
    boolean isGreedy() {
        return greedy;
    }

    /** True if some sample shifts its logits by what was said before, or by its own wish. */
    boolean isAdjusted() {
        return adjusted;
    }

    /** True if some sample wants log-probabilities. */
    boolean hasLogprobs() {
        return logprobs;
    }

    /** Bytes of the results that somebody wants. */
    public long resultBytes() {
        return logprobs ? SampleResults.bytes(results.lines()) : (long) Integer.BYTES * layout.samples();
    }

    public void read(MemorySegment from, StepResult into) {
        for (int i = 0; i < layout.samples(); i++) {
            int id = results.id(from, i);
            if (id < 0) {
                into.setFailure(line[i], "the model gave no usable probabilities");
                continue;
            }
            int wanted = alternatives[i];
            into.addToken(line[i], id, wanted < 0 ? null : results.logprobs(from, i, wanted));
        }
    }

    private static void set(MemorySegment target, int index, int value) {
        target.set(JAVA_INT, (long) index * Integer.BYTES, value);
    }

    private static void set(MemorySegment target, int index, float value) {
        target.set(JAVA_FLOAT, (long) index * Integer.BYTES, value);
    }
}
