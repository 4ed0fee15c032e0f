package dev.sluice.offload;

import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.KvLayout;
import dev.sluice.kv.TransferPlan;
import dev.sluice.runtime.Clock;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Stands between the scheduler and a connector that may be wrong: never throws, and never passes on an answer that cannot
 * be. A call that fails is a miss and is counted; after too many of them the connector is switched off for good, and the
 * guard says in its place what becomes of its loads.
 *
 * <p>What a failed call may have left half done must not cost a wrong token. So a request for which a call failed is not
 * mentioned to the connector any more; a load whose plan was lost is invalid; and a step that the connector does not see
 * whole waits for every store under way, since nobody else knows which blocks those read.
 */
public final class GuardedConnector implements KvConnector {

    private static final Logger LOG = LoggerFactory.getLogger(GuardedConnector.class);
    private static final long FORGIVEN_NANOS = TimeUnit.MINUTES.toNanos(1);

    private final KvConnector connector;
    private final KvLayout layout;
    private final Clock clock;
    private final int failuresMax;
    private final PendingLoads loads;
    private final Map<Long, Boolean> hidden = new HashMap<>(); // requests that it is not to see; whether it knows them
    private boolean off;
    private boolean asynchronous;
    private long failures;
    private int failuresInARow;
    private long lastFailureNanos;
    private long nextLogNanos;

    /** @param failuresMax failures, each within a minute of the one before, that switch the connector off */
    public GuardedConnector(KvConnector connector, KvLayout layout, int failuresMax, Clock clock) {
        this.connector = connector;
        this.layout = layout;
        this.failuresMax = failuresMax;
        this.clock = clock;
        loads = new PendingLoads(layout);
        nextLogNanos = clock.monotonicNanos();
    }

    /** Calls that failed, or were answered with what cannot be, so far. */
    public long failures() {
        return failures;
    }

    /** True once the connector is not asked anything any more. */
    public boolean isOff() {
        return off;
    }

    private void failed(String what, @Nullable Throwable cause) {
        long now = clock.monotonicNanos();
        boolean forgiven = failuresInARow == 0 || now - lastFailureNanos > FORGIVEN_NANOS;
        failuresInARow = forgiven ? 1 : failuresInARow + 1;
        lastFailureNanos = now;
        failures++;
        if (now - nextLogNanos >= 0) {
            nextLogNanos = now + FORGIVEN_NANOS;
            LOG.warn("The KV connector failed in {} ({} failures so far); it counts as a miss", what, failures, cause);
        }
        if (failuresInARow >= failuresMax) {
            switchOff();
        }
    }

    private void switchOff() {
        if (off) {
            return;
        }
        off = true;
        hidden.clear();
        loads.takeOver();
        LOG.error("The KV connector is switched off after {} failures; serving goes on without it", failures);
    }

    /** A failure that leaves it open what the connector believes of a request. */
    private void failedFor(ConnectorRequest request, String what, @Nullable Throwable cause) {
        hidden.putIfAbsent(request.sequence(), true);
        failed(what, cause);
    }

    private boolean isHidden(ConnectorRequest request) {
        return off || (!hidden.isEmpty() && hidden.containsKey(request.sequence()));
    }

    @Override
    public boolean isPresent() {
        try {
            return !off && connector.isPresent();
        } catch (Exception | LinkageError | AssertionError e) {
            failed("isPresent", e);
            return false;
        }
    }

    /** As the connector said when it made its latest match: an answer that changes in between would be fatal. */
    @Override
    public boolean loadsAsynchronously() {
        return asynchronous;
    }

    @Override
    public void onNewRequest(ConnectorRequest request) {
        if (off) {
            return;
        }
        try {
            connector.onNewRequest(request);
        } catch (Exception | LinkageError | AssertionError e) {
            hidden.put(request.sequence(), false);
            failed("onNewRequest", e);
        }
    }

    @Override
    public void prefetch(ConnectorRequest request, int localTokens) {
        if (isHidden(request)) {
            return;
        }
        try {
            connector.prefetch(request, localTokens);
        } catch (Exception | LinkageError | AssertionError e) {
            failed("prefetch", e);
        }
    }

    @Override
    public ExternalMatch match(ConnectorRequest request, int localTokens) {
        if (isHidden(request)) {
            return ExternalMatch.NONE;
        }
        try {
            asynchronous = connector.loadsAsynchronously();
            ExternalMatch match = connector.match(request, localTokens);
            int tokens = match.tokens();
            if (match.askAgain() || tokens == 0) {
                return match.askAgain() ? ExternalMatch.ASK_AGAIN : ExternalMatch.NONE;
            }
            int left = request.tokenCount() - localTokens;
            boolean whole = tokens % layout.blockSize() == 0 || (asynchronous && tokens == left);
            if (tokens < 0 || tokens > left - (asynchronous ? 0 : 1) || !whole) {
                failed("match, whose answer " + tokens + " of " + left + " tokens cannot be", null);
                return ExternalMatch.NONE;
            }
            return match;
        } catch (Exception | LinkageError | AssertionError e) {
            failed("match", e);
            return ExternalMatch.NONE;
        }
    }

    @Override
    public long onAllocated(ConnectorRequest request, int[] blocks, int blockCount, int externalTokens) {
        long miss = externalTokens == 0 ? NO_JOB : NOT_LOADED;
        if (isHidden(request)) {
            return miss;
        }
        try {
            long job = connector.onAllocated(request, blocks, blockCount, externalTokens);
            if (job == NOT_LOADED || externalTokens == 0) {
                return miss;
            }
            if (asynchronous && (job <= NO_JOB || loads.isKnown(job))) {
                failedFor(request, "onAllocated, whose answer " + job + " is no job of its own", null);
                return NOT_LOADED;
            }
            long known = asynchronous ? job : NO_JOB;
            loads.announce(request, blocks, externalTokens, known);
            return known;
        } catch (Exception | LinkageError | AssertionError e) {
            failedFor(request, "onAllocated", e);
            return miss;
        }
    }

    @Override
    public void onPreempted(ConnectorRequest request, int[] blocks, int blockCount) {
        if (isHidden(request)) {
            return;
        }
        try {
            connector.onPreempted(request, blocks, blockCount);
        } catch (Exception | LinkageError | AssertionError e) {
            failedFor(request, "onPreempted", e);
        }
    }

    @Override
    public TransferPlan planTransfers(StepView step) {
        if (off) {
            return TransferPlan.NONE;
        }
        try {
            VisibleStep visible = hidden.isEmpty() ? null : VisibleStep.of(step, hidden.keySet());
            TransferPlan plan = connector.planTransfers(visible == null ? step : visible);
            TransferPlan accepted = loads.accept(plan);
            return visible == null || visible.isWhole() ? accepted : awaitingAll(accepted);
        } catch (Exception | LinkageError | AssertionError e) {
            loads.losePlan();
            long[] stores = loads.openStores();
            failed("planTransfers", e);
            return stores.length == 0 ? TransferPlan.NONE : new TransferPlan(stores, List.of(), List.of());
        }
    }

    private TransferPlan awaitingAll(TransferPlan plan) {
        long[] jobs = LongStream.concat(LongStream.of(plan.awaited()), LongStream.of(loads.openStores()))
                .distinct()
                .toArray();
        return new TransferPlan(jobs, plan.stores(), plan.loads());
    }

    /** What the guard alone has to tell, such as loads of a plan that was lost; before the step that counts on them. */
    public LoadReport takeLost() {
        return loads.takeReport();
    }

    @Override
    public LoadReport onTransfers(List<FinishedTransfer> finished) {
        if (!off && loads.hasRefused()) {
            // Of these the scheduler knows what was not loaded: its blocks may be somebody else's by now.
            LoadReport report = tell(loads.takeRefused());
            if (report != null) {
                loads.addEnded(report);
            }
        }
        LoadReport report = off ? null : tell(finished);
        loads.ended(finished, report != null);
        if (report != null) {
            loads.add(report);
        } else if (!off) {
            loads.tellAgain(finished);
        }
        return loads.takeReport();
    }

    /** Null if the connector failed to act on it. */
    private @Nullable LoadReport tell(List<FinishedTransfer> finished) {
        try {
            LoadReport report = connector.onTransfers(finished);
            return report.isEmpty() ? LoadReport.NONE : report; // and shows at once if a part of it is missing
        } catch (Exception | LinkageError | AssertionError e) {
            failed("onTransfers", e);
            return null;
        }
    }

    @Override
    public void onFinished(ConnectorRequest request, int[] blocks, int blockCount) {
        Boolean known = hidden.remove(request.sequence());
        if (off || (known != null && !known)) {
            return;
        }
        try {
            connector.onFinished(request, blocks, blockCount);
        } catch (Exception | LinkageError | AssertionError e) {
            failed("onFinished", e);
        }
    }

    @Override
    public boolean hasPendingWork() {
        if (off) {
            return loads.isPending();
        }
        try {
            return loads.isPending() || loads.hasRefused() || connector.hasPendingWork();
        } catch (Exception | LinkageError | AssertionError e) {
            failed("hasPendingWork", e);
            return loads.isPending();
        }
    }

    /** Forgets everything stored. A connector that cannot is switched off at once: what it holds must not come back. */
    @Override
    public void reset() {
        if (off) {
            return;
        }
        try {
            connector.reset();
        } catch (Exception | LinkageError | AssertionError e) {
            failed("reset", e);
            switchOff();
        }
    }

    @Override
    public void close() {
        try {
            connector.close();
        } catch (Exception | LinkageError | AssertionError e) {
            failed("close", e);
        }
    }
}
