package dev.sluice.executor.cuda;

import dev.sluice.executor.PendingStep;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.StepResult;
import dev.sluice.executor.cuda.step.CudaPass;
import dev.sluice.executor.cuda.step.PassLimits;
import dev.sluice.executor.cuda.step.SampleBatch;
import java.util.Arrays;

/** One of the two places for steps under way. */
final class CudaStep implements PendingStep {

    /** Stands for no place. */
    static final int NOWHERE = -1;

    private final CudaRank rank;
    final RankStep onDevice;
    final CudaPass pass;
    final SampleBatch samples;
    final StepResult result = new StepResult();
    private int[] places = new int[16];
    private int sampledPasses;
    private boolean unread;
    private boolean joined = true;

    CudaStep(CudaRank rank, PassLimits limits, int blockSize, int vocabularySize) {
        this.rank = rank;
        onDevice = rank.newStep();
        pass = new CudaPass(limits, blockSize);
        samples = new SampleBatch(limits, vocabularySize);
    }

    /** Begins anew, for another plan. */
    void begin(StepPlan plan) {
        int lines = plan.size();
        result.begin(plan);
        if (places.length < lines) {
            places = new int[2 * lines];
        }
        Arrays.fill(places, NOWHERE);
        sampledPasses = 0;
        unread = false;
        joined = false;
    }

    /** Samples of a pass are on their way to the host. */
    void expectSamples() {
        unread = true;
        sampledPasses += samples.layout().samples() > 0 ? 1 : 0;
        for (int i = 0; i < samples.layout().samples(); i++) {
            places[samples.line(i)] = i;
        }
    }

    /** Which of the ids on the device, the last that were sampled, answers a line; {@link #NOWHERE} if that is not certain. */
    int placeOnDevice(int line) {
        return sampledPasses == 1 ? places[line] : NOWHERE;
    }

    /** Waits for the answer to a line; it may have none. */
    int awaitToken(int line) {
        if (unread) {
            onDevice.awaitComputation();
            readSamples();
        }
        return result.lastToken(line);
    }

    /** Nothing is known of what was given to the stream: no later line can await its answers. */
    void lose() {
        unread = false;
        joined = true;
        result.clear();
    }

    boolean isAwaitingSamples() {
        return unread;
    }

    /** Takes over the samples of the pass before, whose work is done. */
    void readSamples() {
        if (unread) {
            unread = false;
            samples.read(onDevice.results, result);
        }
    }

    @Override
    public StepResult join() {
        if (!joined) {
            rank.enter();
            onDevice.awaitComputation();
            readSamples();
            onDevice.awaitCopies();
            joined = true;
        }
        return result;
    }
}
