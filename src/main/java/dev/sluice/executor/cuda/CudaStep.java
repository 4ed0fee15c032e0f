package dev.sluice.executor.cuda;

import dev.sluice.executor.PendingStep;
import dev.sluice.executor.StepResult;
import dev.sluice.executor.cuda.copies.SealedCopy;
import dev.sluice.executor.cuda.driver.CudaContext;
import dev.sluice.executor.cuda.driver.CudaEvent;
import dev.sluice.executor.cuda.driver.CudaStream;
import dev.sluice.executor.cuda.driver.PinnedBuffer;
import dev.sluice.executor.cuda.step.CudaPass;
import dev.sluice.executor.cuda.step.PassLimits;
import dev.sluice.executor.cuda.step.SampleBatch;
import dev.sluice.executor.cuda.step.SampleResults;
import dev.sluice.executor.cuda.step.Workspace;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

/** One of the two places for steps under way, with all that the host must keep still until the device has read it. */
final class CudaStep implements PendingStep {

    /** Stands for no place. */
    static final int NOWHERE = -1;

    private final CudaExecutor executor;
    private final CudaEvent end;
    final CudaPass pass;
    final SampleBatch samples;
    final MemorySegment metadata;
    final MemorySegment results;
    final StepResult result = new StepResult();
    private List<SealedCopy> copies = List.of();
    private int[] places = new int[16];
    private int sampledPasses;
    private boolean unread;
    private boolean joined = true;

    CudaStep(CudaExecutor executor, CudaContext context, PassLimits limits, int blockSize, int vocabularySize) {
        this.executor = executor;
        end = CudaEvent.create(context, false);
        pass = new CudaPass(limits, blockSize);
        samples = new SampleBatch(limits, vocabularySize);
        metadata =
                PinnedBuffer.allocate(context, Workspace.metadataBytes(limits)).memory();
        results = PinnedBuffer.allocate(context, SampleResults.bytes(limits.lines()))
                .memory();
    }

    /** Begins anew, for a plan of so many lines. */
    void begin(int lines) {
        result.begin(lines);
        if (places.length < lines) {
            places = new int[2 * lines];
        }
        Arrays.fill(places, NOWHERE);
        sampledPasses = 0;
        copies = List.of();
        unread = false;
        joined = false;
    }

    /** It has not ended before these copies have. */
    void include(List<SealedCopy> included) {
        copies = included;
    }

    /** Samples of a pass are on their way to {@link #results}. */
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
            end.synchronize();
            readSamples();
        }
        return result.token(line);
    }

    /** Nothing is known of what was given to the stream: no later line can await its answers. */
    void lose() {
        unread = false;
        joined = true;
        result.begin(0);
    }

    boolean isAwaitingSamples() {
        return unread;
    }

    /** Takes over the samples of the pass before, whose work is done. */
    void readSamples() {
        if (unread) {
            unread = false;
            samples.read(results, result);
        }
    }

    /** Everything has been given to the stream. */
    void end(CudaStream stream) {
        stream.record(end);
    }

    @Override
    public boolean isDone() {
        executor.enter();
        return joined || (end.isDone() && executor.areDone(copies));
    }

    @Override
    public StepResult join() {
        if (!joined) {
            executor.enter();
            end.synchronize();
            readSamples();
            executor.await(copies);
            joined = true;
        }
        return result;
    }
}
