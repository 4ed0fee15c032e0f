package dev.sluice.executor.cuda;

import dev.sluice.executor.PendingStep;
import dev.sluice.executor.StepResult;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** One of the two places for steps under way, with all that the host must keep still until the device has read it. */
final class CudaStep implements PendingStep {

    private final CudaExecutor executor;
    private final CudaEvent end;
    final CudaPass pass;
    final SampleBatch samples;
    final MemorySegment metadata;
    final MemorySegment results;
    final StepResult result = new StepResult();
    private List<SealedCopy> copies = List.of();
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
    void begin(int lines, List<SealedCopy> included) {
        result.begin(lines);
        copies = included;
        unread = false;
        joined = false;
    }

    /** Samples of a pass are on their way to {@link #results}. */
    void expectSamples() {
        unread = true;
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
