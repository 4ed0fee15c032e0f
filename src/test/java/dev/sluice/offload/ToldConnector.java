package dev.sluice.offload;

import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.TransferPlan;
import dev.sluice.request.TokensByTier;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Answers whatever the test wants. */
final class ToldConnector implements KvConnector {
    boolean asynchronous = true;
    int match;
    String tier = TokensByTier.HOST;
    long job;

    @Nullable
    TransferPlan plan = TransferPlan.NONE;

    @Nullable
    LoadReport report = LoadReport.NONE;

    boolean asksAgain;
    String throwsIn = "";
    final List<Long> heardOf = new ArrayList<>();
    final List<Integer> toldAsFailed = new ArrayList<>();
    final List<String> seen = new ArrayList<>();

    private void enter(String method) {
        if (method.equals(throwsIn)) {
            throw new IllegalStateException("injected");
        }
    }

    @Override
    public boolean loadsAsynchronously() {
        return asynchronous;
    }

    @Override
    public void onNewRequest(ConnectorRequest request) {
        enter("onNewRequest");
    }

    @Override
    public void onPreempted(ConnectorRequest request, int[] blocks, int blockCount) {
        enter("onPreempted");
    }

    @Override
    public ExternalMatch match(ConnectorRequest request, int localTokens) {
        return new ExternalMatch(TokensByTier.of(tier, match), asksAgain);
    }

    @Override
    public long onAllocated(ConnectorRequest request, int[] blocks, int blockCount, int externalTokens) {
        enter("onAllocated");
        return job;
    }

    @Override
    @SuppressWarnings("NullAway") // on purpose
    public TransferPlan planTransfers(StepView step) {
        for (int i = 0; i < step.size(); i++) {
            seen.add(step.request(i).sequence() + ": " + step.scheduledTokens(i) + " into "
                    + step.blocks(i)[step.blockCount(i) - 1]);
        }
        return plan;
    }

    @Override
    @SuppressWarnings("NullAway") // on purpose
    public LoadReport onTransfers(List<FinishedTransfer> finished) {
        for (FinishedTransfer transfer : finished) {
            heardOf.add(transfer.job());
            Arrays.stream(transfer.failed()).forEach(toldAsFailed::add);
        }
        LoadReport result = report;
        report = LoadReport.NONE;
        return result;
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
