package dev.sluice.offload;

import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.TransferPlan;
import java.util.List;

/** No tier beyond the device: nothing is ever found, stored or waited for. */
public final class NoKvConnector implements KvConnector {

    @Override
    public boolean isPresent() {
        return false;
    }

    @Override
    public void onNewRequest(ConnectorRequest request) {}

    @Override
    public ExternalMatch match(ConnectorRequest request, int localTokens) {
        return ExternalMatch.NONE;
    }

    @Override
    public long onAllocated(ConnectorRequest request, int[] blocks, int blockCount, int externalTokens) {
        return NO_JOB;
    }

    @Override
    public TransferPlan planTransfers(StepView step) {
        return TransferPlan.NONE;
    }

    @Override
    public LoadReport onTransfers(List<FinishedTransfer> finished) {
        return LoadReport.NONE;
    }

    @Override
    public void onFinished(ConnectorRequest request, int[] blocks, int blockCount) {}

    @Override
    public boolean hasPendingWork() {
        return false;
    }

    @Override
    public void reset() {}
}
