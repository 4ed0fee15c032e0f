package dev.sluice.offload;

import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.KvLayout;
import dev.sluice.kv.TransferPlan;
import dev.sluice.runtime.Clock;
import dev.sluice.runtime.LineBudget;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
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
    private static final Duration LOG_INTERVAL = Duration.ofMinutes(1);

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
    private final LineBudget lines;

    /** @param failuresMax failures, each within a minute of the one before, that switch the connector off */
    public GuardedConnector(KvConnector connector, KvLayout layout, int failuresMax, Clock clock) {
        this.connector = connector;
        this.layout = layout;
        this.failuresMax = failuresMax;
        this.clock = clock;
        loads = new PendingLoads(layout);
        lines = new LineBudget(clock, 1, LOG_INTERVAL);
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
        if (lines.take() >= 0) {
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

    /** What the connector answers; null if it throws or does not answer, which counts as a failure. */
    private <T> @Nullable T ask(String what, Supplier<T> call) {
        try {
            return Objects.requireNonNull(call.get());
        } catch (Exception | LinkageError | AssertionError e) {
            failed(what, e);
            return null;
        }
    }

    /** True if the connector heard it. */
    private boolean tell(String what, Runnable call) {
        return ask(what, () -> {
                    call.run();
                    return true;
                })
                != null;
    }

    /** A failure leaves it open what the connector believes of a request. */
    private void hide(ConnectorRequest request, boolean known) {
        if (!off) {
            hidden.putIfAbsent(request.sequence(), known);
        }
    }

    private boolean isHidden(ConnectorRequest request) {
        return off || (!hidden.isEmpty() && hidden.containsKey(request.sequence()));
    }

    @Override
    public boolean isPresent() {
        return !off && Boolean.TRUE.equals(ask("isPresent", connector::isPresent));
    }

    /** As the connector said when it made its latest match: an answer that changes in between would be fatal. */
    @Override
    public boolean loadsAsynchronously() {
        return asynchronous;
    }

    @Override
    public void onNewRequest(ConnectorRequest request) {
        if (!off && !tell("onNewRequest", () -> connector.onNewRequest(request))) {
            hide(request, false);
        }
    }

    @Override
    public ExternalMatch match(ConnectorRequest request, int localTokens) {
        if (isHidden(request)) {
            return ExternalMatch.NONE;
        }
        ExternalMatch match = ask("match", () -> {
            asynchronous = connector.loadsAsynchronously();
            return connector.match(request, localTokens);
        });
        if (match == null || match.askAgain() || match.tokens() == 0) {
            return match != null && match.askAgain() ? ExternalMatch.ASK_AGAIN : ExternalMatch.NONE;
        }
        int tokens = match.tokens();
        int left = request.tokenCount() - localTokens;
        boolean whole = tokens % layout.blockSize() == 0 || (asynchronous && tokens == left);
        if (tokens > left - (asynchronous ? 0 : 1) || !whole) {
            failed("match, whose answer " + tokens + " of " + left + " tokens cannot be", null);
            return ExternalMatch.NONE;
        }
        return match;
    }

    @Override
    public long onAllocated(ConnectorRequest request, int[] blocks, int blockCount, int externalTokens) {
        long miss = externalTokens == 0 ? NO_JOB : NOT_LOADED;
        if (isHidden(request)) {
            return miss;
        }
        Long job = ask("onAllocated", () -> connector.onAllocated(request, blocks, blockCount, externalTokens));
        if (job == null) {
            hide(request, true);
            return miss;
        }
        if (job == NOT_LOADED || externalTokens == 0) {
            return miss;
        }
        if (asynchronous && (job <= NO_JOB || loads.isKnown(job))) {
            hide(request, true);
            failed("onAllocated, whose answer " + job + " is no job of its own", null);
            return NOT_LOADED;
        }
        long known = asynchronous ? job : NO_JOB;
        loads.announce(request, blocks, externalTokens, known);
        return known;
    }

    @Override
    public void onPreempted(ConnectorRequest request, int[] blocks, int blockCount) {
        if (!isHidden(request) && !tell("onPreempted", () -> connector.onPreempted(request, blocks, blockCount))) {
            hide(request, true);
        }
    }

    @Override
    public TransferPlan planTransfers(StepView step) {
        if (off) {
            return TransferPlan.NONE;
        }
        TransferPlan plan = ask("planTransfers", () -> {
            VisibleStep visible = hidden.isEmpty() ? null : VisibleStep.of(step, hidden.keySet());
            TransferPlan accepted = loads.accept(connector.planTransfers(visible == null ? step : visible));
            return visible == null || visible.isWhole() ? accepted : awaitingAll(accepted);
        });
        if (plan == null) {
            loads.losePlan();
            long[] stores = loads.openStores();
            return stores.length == 0 ? TransferPlan.NONE : new TransferPlan(stores, List.of(), List.of());
        }
        return plan;
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
            LoadReport report = report(loads.takeRefused());
            if (report != null) {
                loads.addEnded(report);
            }
        }
        LoadReport report = off ? null : report(finished);
        loads.ended(finished, report != null);
        if (report != null) {
            loads.add(report);
        } else if (!off) {
            loads.tellAgain(finished);
        }
        return loads.takeReport();
    }

    private @Nullable LoadReport report(List<FinishedTransfer> finished) {
        return ask("onTransfers", () -> {
            LoadReport report = connector.onTransfers(finished);
            return report.isEmpty() ? LoadReport.NONE : report; // and shows at once if a part of it is missing
        });
    }

    @Override
    public void onFinished(ConnectorRequest request, int[] blocks, int blockCount) {
        Boolean known = hidden.remove(request.sequence());
        if (!off && (known == null || known)) {
            tell("onFinished", () -> connector.onFinished(request, blocks, blockCount));
        }
    }

    @Override
    public boolean hasPendingWork() {
        return loads.isPending()
                || (!off
                        && (loads.hasRefused()
                                || Boolean.TRUE.equals(ask("hasPendingWork", connector::hasPendingWork))));
    }

    /** Forgets everything stored. A connector that cannot is switched off at once: what it holds must not come back. */
    @Override
    public void reset() {
        if (!off && !tell("reset", connector::reset)) {
            switchOff();
        }
    }

    @Override
    public void close() {
        tell("close", connector::close);
    }
}
