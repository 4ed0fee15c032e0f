package dev.sluice.executor.cuda;

import dev.sluice.executor.cuda.copies.ChecksummedCopy;
import dev.sluice.executor.cuda.copies.CudaTransfers;
import dev.sluice.executor.cuda.driver.CudaContext;
import dev.sluice.executor.cuda.driver.CudaEvent;
import dev.sluice.executor.cuda.driver.CudaStream;
import dev.sluice.executor.cuda.driver.PinnedBuffer;
import dev.sluice.executor.cuda.step.PassLimits;
import dev.sluice.executor.cuda.step.SampleResults;
import dev.sluice.executor.cuda.step.Workspace;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What one GPU has under way of a step, with the memory that the host must keep still until the device has read it. */
final class RankStep {

    final MemorySegment metadata;
    final MemorySegment results;
    private final CudaEvent end;
    private List<ChecksummedCopy> copies = List.of();
    private @Nullable CudaTransfers transfers;

    RankStep(CudaContext context, PassLimits limits) {
        end = CudaEvent.create(context, false);
        metadata =
                PinnedBuffer.allocate(context, Workspace.metadataBytes(limits)).memory();
        results = PinnedBuffer.allocate(context, SampleResults.bytes(limits.lines()))
                .memory();
    }

    /** @param included copies before which the step has not ended */
    void begin(CudaTransfers by, List<ChecksummedCopy> included) {
        transfers = by;
        copies = included;
    }

    /** Everything has been given to the stream. */
    void end(CudaStream stream) {
        stream.record(end);
    }

    /** Lets the calling thread wait for the kernels, not for the copies. */
    void awaitComputation() {
        end.synchronize();
    }

    void awaitCopies() {
        if (transfers != null) {
            transfers.await(copies);
        }
    }
}
