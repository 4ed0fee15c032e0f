package dev.sluice.scheduler;

import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.TransferPlan;
import dev.sluice.offload.ConnectorRequest;
import dev.sluice.offload.ExternalMatch;
import dev.sluice.offload.KvConnector;
import dev.sluice.offload.LoadReport;
import dev.sluice.offload.StepView;
import dev.sluice.request.PrefillRecord;
import io.prometheus.metrics.core.metrics.Counter;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * How vLLM counted before its pull requests 36859 and 37460: two numbers on each request, of which one is set with the
 * first lookup and the other with every lookup, admitted or refused, and a third that is their difference. Kept to show
 * that the schedule of a test brings that design down.
 *
 * <p>Stands between the scheduler and a connector to see every lookup.
 */
final class NaiveStatistics implements KvConnector, LifecycleListener {

    private static final class Counts {
        private int cached = -1;
        private int external;
    }

    final Counter localHits = Counter.builder().name("naive_local_cache_hit").build();
    private final KvConnector connector;
    private final Map<String, Counts> requests = new HashMap<>();
    private final Map<Long, String> names;

    NaiveStatistics(KvConnector connector, Map<Long, String> names) {
        this.connector = connector;
        this.names = names;
    }

    int local(String request) {
        Counts counts = requests.get(request);
        return counts.cached - counts.external;
    }

    @Override
    public ExternalMatch match(ConnectorRequest request, int localTokens) {
        ExternalMatch match = connector.match(request, localTokens);
        int external = match.tokens();
        Counts counts = requests.computeIfAbsent(names.get(request.sequence()), name -> new Counts());
        counts.external = external;
        if (counts.cached < 0) {
            counts.cached = localTokens + external;
        }
        return match;
    }

    @Override
    public void onPrefilled(RequestTimeline request, PrefillRecord record) {
        localHits.inc(local(request.request().id()));
    }

    @Override
    public void onNewRequest(ConnectorRequest request) {
        connector.onNewRequest(request);
    }

    @Override
    public long onAllocated(ConnectorRequest request, int[] blocks, int blockCount, int externalTokens) {
        return connector.onAllocated(request, blocks, blockCount, externalTokens);
    }

    @Override
    public TransferPlan planTransfers(StepView step) {
        return connector.planTransfers(step);
    }

    @Override
    public LoadReport onTransfers(List<FinishedTransfer> finished) {
        return connector.onTransfers(finished);
    }

    @Override
    public void onFinished(ConnectorRequest request, int[] blocks, int blockCount) {
        connector.onFinished(request, blocks, blockCount);
    }

    @Override
    public boolean hasPendingWork() {
        return connector.hasPendingWork();
    }

    @Override
    public void reset() {
        connector.reset();
    }
}
