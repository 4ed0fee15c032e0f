package dev.sluice.scheduler;

import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.StepResult;
import dev.sluice.kv.BlockHasher;
import dev.sluice.kv.KvCache;
import dev.sluice.offload.GuardedConnector;
import dev.sluice.offload.KvConnector;
import dev.sluice.request.FailureKind;
import dev.sluice.request.FinishReason;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.TokenEvent;
import dev.sluice.request.TokenSink;
import dev.sluice.runtime.Clock;
import java.util.ArrayList;
import java.util.List;

/**
 * The scheduler's turn: take in what arrived, plan a step, have it executed, apply its result.
 *
 * <p>All state of all requests is owned by whoever calls {@link #runOnce}: one thread in production, the test itself in
 * a simulation. Time comes from the clock and work from the inbox, so the same inputs give the same schedule.
 *
 * <p>While nothing but the next token of each sequence is due, a step is begun before the one before it is over. Between
 * two turns such a step may be under way; whatever looks at sequences or blocks as a whole waits for it first.
 */
public final class SchedulerLoop {

    private static final long DEADLINE_SWEEP_NANOS = 50_000_000; // deadlines are seconds; 50 ms late is on time

    private final SchedulerSettings settings;
    private final GuardedConnector connector;
    private final GuardedListener listener;
    private final Clock clock;
    private final KvCache cache;
    private final RequestCheck check;
    private final Inbox inbox;
    private final HeldBlocks held;
    private final LiveSequences sequences;
    private final RemoteLoads loads;
    private final BatchPlanner planner;
    private final StepRollback rollback;
    private final OutputProcessor outputs;
    private final StepRunner runner;
    private final StepAhead ahead;
    private long nextSweepNanos;
    private boolean checked = true;
    private volatile SchedulerSnapshot snapshot;

    public SchedulerLoop(
            SchedulerSettings settings,
            KvCache cache,
            BlockHasher hasher,
            ModelExecutor executor,
            KvConnector connector,
            LifecycleListener listener,
            Clock clock) {
        this.settings = settings;
        this.cache = cache;
        this.connector = new GuardedConnector(connector, cache.layout(), settings.connectorFailuresMax(), clock);
        this.listener = new GuardedListener(listener, clock);
        this.clock = clock;
        check = new RequestCheck(settings.contextLength(), executor.spec().vocabularySize(), cache.layout());
        inbox = new Inbox(settings.inboxCapacity());
        held = new HeldBlocks(cache.pool());
        sequences = new LiveSequences(cache, this.connector, this.listener, hasher, held, settings.policy());
        loads = new RemoteLoads(executor, this.connector, cache, settings.loadFailurePolicy(), sequences, held);
        planner = new BatchPlanner(settings, cache, this.connector, loads, this.listener, sequences);
        rollback = new StepRollback(sequences);
        outputs = new OutputProcessor(
                cache,
                hasher,
                this.listener,
                sequences,
                rollback,
                settings.contextLength(),
                executor.spec().vocabularySize());
        runner = new StepRunner(executor, this.connector, loads, sequences, cache.pool(), clock);
        ahead = new StepAhead(settings, executor.runsBesideItsCaller(), cache, loads, sequences);
        nextSweepNanos = clock.monotonicNanos();
        snapshot = takeSnapshot();
    }

    /** Leaves a request for the next turn; any thread. False, with nothing taken, if the inbox is full. */
    public boolean submit(GenerationRequest request, TokenSink sink) {
        return inbox.submit(request, sink);
    }

    /** Leaves a cancellation for the next turn; any thread. Unknown ids are ignored. */
    public void cancel(String requestId, FinishReason reason) {
        inbox.cancel(requestId, reason);
    }

    /** Has something done on the scheduler's thread in the next turn; any thread. */
    void execute(Runnable command) {
        inbox.execute(command);
    }

    /** Answers what still lies in the inbox of a loop that no longer turns; any thread. */
    void refuseInbox(FailureKind kind, String message) {
        inbox.refuseAll(kind, message);
    }

    /** Runs one turn. Returns the amount of work done; zero means that the caller may idle. */
    public int runOnce() {
        int work = inbox.drain(this::accept, this::end);
        work += expireDeadlines();
        work += loads.poll(null);
        Step begunAhead = runner.takeAhead();
        Step step = begunAhead == null ? planStep() : begunAhead;
        if (step.size() > 0) {
            work += step.size();
            if (runner.failedInARow() == 0 && ahead.plan(step, runner.spare())) {
                runner.submitAhead();
            }
            finish(step);
        } else if (loads.isPending()) {
            work += runner.runTransfers();
        } else if (runner.failedInARow() > 0) {
            work += runner.probe();
        } else if (sequences.isEmpty() && !checked) {
            verifyBooks();
            checked = true;
        }
        snapshot = takeSnapshot();
        return work;
    }

    /** Decides everything anew; for that, nothing may be under way. */
    private Step planStep() {
        Step step = runner.spare();
        step.startNanos = clock.monotonicNanos();
        planner.plan(step);
        if (step.size() > 0) {
            runner.submit();
        }
        return step;
    }

    /** Waits for a step and applies it. One that was begun ahead goes on meanwhile, and is what is waited for next. */
    private void finish(Step step) {
        StepResult result = runner.join(step);
        Step next = runner.ahead();
        sequences.settle(step, next);
        if (result == null) {
            rollback.failStep(step);
        } else {
            loads.poll(step);
            outputs.process(step, result, clock.monotonicNanos());
        }
        step.clear();
        if (next != null) {
            next.startNanos = clock.monotonicNanos();
        }
    }

    /** Finishes a step that was begun ahead, so that nothing is under way. */
    private void finishAhead() {
        Step step = runner.takeAhead();
        if (step != null) {
            finish(step);
        }
    }

    private void accept(GenerationRequest request, TokenSink sink) {
        String problem = sequences.find(request.id()) != null
                ? "a request with this id is already in flight"
                : check.problemWith(request);
        if (problem != null) {
            sink.offer(new TokenEvent.Failed(FailureKind.INVALID_REQUEST, problem));
            return;
        }
        checked = false;
        sequences.add(request, sink, clock.monotonicNanos());
    }

    private void end(String id, FinishReason reason) {
        Sequence sequence = sequences.find(id);
        if (sequence != null) {
            sequences.finish(sequence, reason, -1);
        }
    }

    private int expireDeadlines() {
        long now = clock.monotonicNanos();
        if (sequences.isEmpty() || now - nextSweepNanos < 0) {
            return 0;
        }
        nextSweepNanos = now + DEADLINE_SWEEP_NANOS;
        List<Sequence> expired = new ArrayList<>();
        for (Sequence sequence : sequences.all()) {
            GenerationRequest request = sequence.request();
            boolean neverScheduled = sequence.timeline().scheduledNanos == RequestTimeline.NEVER;
            if (isPast(request.deadlineNanos(), now) || (neverScheduled && isPast(request.queueDeadlineNanos(), now))) {
                expired.add(sequence);
            }
        }
        for (Sequence sequence : expired) {
            sequences.fail(sequence, FailureKind.DEADLINE, "the request's deadline passed");
        }
        return expired.size();
    }

    /** By difference: the clock has no origin, and a deadline may lie beyond its largest number. */
    private static boolean isPast(long deadlineNanos, long now) {
        return deadlineNanos != GenerationRequest.NO_DEADLINE && now - deadlineNanos >= 0;
    }

    /**
     * Forgets all cached contents. A step under way is waited for and applied first. Copies under way may end when they
     * like: what they store is not kept, and what they load nobody uses.
     *
     * @param preemptRunning take the blocks of all sequences too; they are computed anew
     * @param resetConnector forget what lies beyond the device as well; without a connector there is nothing to forget
     * @return false if sequences hold blocks, and nothing changed; never if their blocks were to be taken
     */
    public boolean resetPrefixCache(boolean preemptRunning, boolean resetConnector) {
        finishAhead();
        if (preemptRunning) {
            sequences.preemptAll();
        }
        int[] indifferent = new int[cache.layout().blockCount()];
        held.count(indifferent); // of these nobody will use what they hold
        boolean cleared = cache.pool().clear(indifferent);
        if (cleared && resetConnector) {
            connector.reset();
        }
        return cleared;
    }

    /** Ends everything that lives, with a failure; what still lies in the inbox too. */
    public void failAll(FailureKind kind, String message) {
        inbox.refuseAll(kind, message);
        for (Sequence sequence : List.copyOf(sequences.all())) {
            sequences.fail(sequence, kind, message);
        }
        runner.abandon();
        snapshot = takeSnapshot();
    }

    /** Tells every reader of the end without touching state that can no longer be trusted. */
    void abandonAll(String message) {
        inbox.refuseAll(FailureKind.INTERNAL, message);
        sequences.abandonAll(message);
        runner.abandon();
    }

    /**
     * Checks that queues, tables and blocks agree.
     *
     * @throws IllegalStateException saying what does not balance
     */
    public void verifyBooks() {
        InvariantCheck.verify(cache, settings, sequences, held, runner.ahead());
        if (sequences.isEmpty()
                && !loads.isPending()
                && cache.pool().free() != cache.pool().usable()) {
            throw new IllegalStateException("the scheduler's state is wrong: nothing lives, but blocks are held");
        }
    }

    /** True while copies are under way that need the loop to look after them. */
    public boolean hasTransfers() {
        return loads.isPending();
    }

    /** True while a request lives, running or waiting. */
    public boolean hasRequests() {
        return !sequences.isEmpty();
    }

    /** Who lives and where they stand, for messages of simulations. */
    public String describe() {
        return sequences.all().toString();
    }

    /** The state at the end of the latest turn; any thread. */
    public SchedulerSnapshot snapshot() {
        return snapshot;
    }

    private SchedulerSnapshot takeSnapshot() {
        return new SchedulerSnapshot(
                sequences.running().size(),
                sequences.waiting().waitingForCapacity(),
                sequences.waiting().waitingDeferred(),
                cache.pool().usable() - cache.pool().free(),
                cache.pool().usable(),
                cache.pool().freeRegistered(),
                runner.steps(),
                runner.failedInARow(),
                connector.failures(),
                connector.isOff(),
                clock.monotonicNanos());
    }
}
