package dev.sluice.testkit;

import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.TransferPlan;
import dev.sluice.offload.ConnectorRequest;
import dev.sluice.offload.ExternalMatch;
import dev.sluice.offload.KvConnector;
import dev.sluice.offload.LoadReport;
import dev.sluice.offload.StepView;
import java.util.List;
import java.util.function.Predicate;

/** A connector whose calls throw when the test says so, before or after the real one has done its work. */
public final class FlakyConnector implements KvConnector {

    /** Every method of the port that the scheduler calls. */
    public static final List<String> METHODS = List.of(
            "isPresent",
            "loadsAsynchronously",
            "onNewRequest",
            "match",
            "onAllocated",
            "onPreempted",
            "planTransfers",
            "onTransfers",
            "onFinished",
            "hasPendingWork",
            "reset");

    private final KvConnector connector;
    private final Predicate<String> before;
    private final Predicate<String> after;
    private int thrown;

    /**
     * @param before asked at the beginning of each call, with its name, whether it throws at once
     * @param after asked at the end of each call whether it throws then
     */
    public FlakyConnector(KvConnector connector, Predicate<String> before, Predicate<String> after) {
        this.connector = connector;
        this.before = before;
        this.after = after;
    }

    /** Calls that have thrown. */
    public int thrown() {
        return thrown;
    }

    private void enter(String method) {
        throwIf(before.test(method), method);
    }

    private <T> T leave(String method, T answer) {
        throwIf(after.test(method), method);
        return answer;
    }

    private void throwIf(boolean throwsNow, String method) {
        if (throwsNow) {
            thrown++;
            throw new IllegalStateException("injected into " + method);
        }
    }

    @Override
    public boolean isPresent() {
        enter("isPresent");
        return leave("isPresent", connector.isPresent());
    }

    @Override
    public boolean loadsAsynchronously() {
        enter("loadsAsynchronously");
        return leave("loadsAsynchronously", connector.loadsAsynchronously());
    }

    @Override
    public void onNewRequest(ConnectorRequest request) {
        enter("onNewRequest");
        connector.onNewRequest(request);
        leave("onNewRequest", 0);
    }

    @Override
    public ExternalMatch match(ConnectorRequest request, int localTokens) {
        enter("match");
        return leave("match", connector.match(request, localTokens));
    }

    @Override
    public long onAllocated(ConnectorRequest request, int[] blocks, int blockCount, int externalTokens) {
        enter("onAllocated");
        return leave("onAllocated", connector.onAllocated(request, blocks, blockCount, externalTokens));
    }

    @Override
    public void onPreempted(ConnectorRequest request, int[] blocks, int blockCount) {
        enter("onPreempted");
        connector.onPreempted(request, blocks, blockCount);
        leave("onPreempted", 0);
    }

    @Override
    public TransferPlan planTransfers(StepView step) {
        enter("planTransfers");
        return leave("planTransfers", connector.planTransfers(step));
    }

    @Override
    public LoadReport onTransfers(List<FinishedTransfer> finished) {
        enter("onTransfers");
        return leave("onTransfers", connector.onTransfers(finished));
    }

    @Override
    public void onFinished(ConnectorRequest request, int[] blocks, int blockCount) {
        enter("onFinished");
        connector.onFinished(request, blocks, blockCount);
        leave("onFinished", 0);
    }

    @Override
    public boolean hasPendingWork() {
        enter("hasPendingWork");
        return leave("hasPendingWork", connector.hasPendingWork());
    }

    @Override
    public void reset() {
        enter("reset");
        connector.reset();
        leave("reset", 0);
    }
}
