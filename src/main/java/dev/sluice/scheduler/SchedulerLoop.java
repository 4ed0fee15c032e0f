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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The scheduler's turn: take in what arrived, plan a step, have it executed, apply its result.
 *
 * <p>All state of all requests is owned by whoever calls {@link #runOnce}: one thread in production, the test itself in
 * a simulation. Time comes from the clock and work from the inbox, so the same inputs give the same schedule.
 *
 * <p>While nothing but the next token of each sequence is due, a step is begun before the one before it is over. Between
 * two turns such a step may be under way; whatever looks at books or blocks as a whole waits for it first.
 */
public final class SchedulerLoop {

    private static final long DEADLINE_SWEEP_NANOS = 50_000_000; // deadlines are seconds; 50 ms late is on time

    private final SchedulerSettings settings;
    private final GuardedConnector connector;
    private final GuardedListener listener;
    private final Clock clock;
    private final BlockHasher hasher;
    private final KvCache cache;
    private final RequestCheck check;
    private final Inbox inbox;
    private final WaitingQueue waiting;
    private final List<Sequence> running = new ArrayList<>();
    private final Map<String, Sequence> live = new LinkedHashMap<>();
    private final RemoteLoads loads;
    private final BatchPlanner planner;
    private final SequenceEnding ending;
    private final StreamingSessions sessions;
    private final StepApplication application;
    private final StepRunner runner;
    private final StepAhead ahead;
    private long numbers;
    private long nextSweepNanos;
    private boolean audited = true;
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
        this.hasher = hasher;
        this.connector = new GuardedConnector(connector, cache.layout(), settings.connectorFailuresMax(), clock);
        this.listener = new GuardedListener(listener, clock);
        this.clock = clock;
        check = new RequestCheck(settings.contextLength(), executor.spec().vocabularySize(), cache.layout());
        inbox = new Inbox(settings.inboxCapacity());
        waiting = new WaitingQueue(settings.policy());
        loads = new RemoteLoads(executor, this.connector, cache, settings.loadFailurePolicy(), this.listener);
        planner = new BatchPlanner(settings, cache, this.connector, loads, this.listener, waiting, running);
        ending = new SequenceEnding(
                cache, this.connector, loads, this.listener, waiting, running, live, planner::sendBack);
        sessions = new StreamingSessions(settings.contextLength(), check, waiting, running, ending, hasher);
        application = new StepApplication(
                cache,
                hasher,
                this.listener,
                ending,
                sessions,
                settings.contextLength(),
                executor.spec().vocabularySize());
        runner = new StepRunner(executor, this.connector, loads, ending, cache.pool(), clock);
        ahead = new StepAhead(settings, executor.runsBesideItsCaller(), cache, loads, waiting, running);
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

    /**
     * Leaves the next chunk of a session for the next turn; any thread. Its events come through the session's sink; of a
     * session that has ended, nothing comes.
     *
     * @param chunk with the session's id; its prompt is what the session goes on with
     */
    public void extend(GenerationRequest chunk) {
        inbox.execute(() -> extendSession(chunk));
    }

    /** Tells a session that no more input comes; any thread. */
    public void closeSession(String requestId) {
        inbox.execute(() -> {
            Sequence session = live.get(requestId);
            if (session != null) {
                sessions.close(session);
            }
        });
    }

    private void extendSession(GenerationRequest chunk) {
        Sequence session = live.get(chunk.id());
        if (session != null && session.request().resumable()) {
            sessions.extend(session, chunk);
        }
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
        work += pollTransfers(runner.spare().batch);
        Step begunAhead = runner.takeAhead();
        Step step = begunAhead == null ? planStep() : begunAhead;
        if (step.batch.size() > 0) {
            work += step.batch.size();
            if (runner.failedInARow() == 0 && ahead.plan(step, runner.spare().batch)) {
                runner.submitAhead();
            }
            finish(step);
        } else if (loads.isPending()) {
            work += runner.runTransfers();
        } else if (runner.failedInARow() > 0) {
            work += runner.probe();
        } else if (live.isEmpty() && !audited) {
            verifyBooks();
            audited = true;
        }
        snapshot = takeSnapshot();
        step.batch.clear();
        return work;
    }

    /** Decides everything anew; for that, nothing may be under way. */
    private Step planStep() {
        Step step = runner.spare();
        step.startNanos = clock.monotonicNanos();
        planner.plan(step.batch);
        announce(step.batch, step.startNanos);
        if (step.batch.size() > 0) {
            runner.submit();
        }
        return step;
    }

    /** Waits for a step and applies it. One that was begun ahead goes on meanwhile, and is what is waited for next. */
    private void finish(Step step) {
        StepResult result = runner.join(step);
        Step next = runner.ahead();
        step.batch.settle(next == null ? null : next.batch);
        if (result == null) {
            giveUp(step.batch);
        } else {
            pollTransfers(step.batch);
            application.apply(step, result, clock.monotonicNanos());
        }
        step.batch.clear();
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

    private int pollTransfers(Batch batch) {
        if (!loads.isPending()) {
            return 0;
        }
        int work = loads.poll(batch);
        for (Sequence sequence : loads.takeFailed()) {
            ending.fail(sequence, FailureKind.INTERNAL, "cached keys and values of this request could not be loaded");
        }
        return work;
    }

    /** The step's work is lost, and nothing tells whose fault it was: those in it end, those outside notice nothing. */
    private void giveUp(Batch batch) {
        for (int i = 0; i < batch.size(); i++) {
            if (!batch.isWasted(i)) {
                ending.failUncomputed(batch, i, "the step that computed this request failed");
            }
        }
    }

    /** Tells the listener what the planner decided; the planner itself has no clock. */
    private void announce(Batch batch, long now) {
        List<Sequence> preempted = batch.preemptedSequences();
        for (int i = 0; i < preempted.size(); i++) {
            listener.onPreempted(preempted.get(i).timeline());
        }
        List<Sequence> first = batch.firstScheduled();
        for (int i = 0; i < first.size(); i++) {
            RequestTimeline timeline = first.get(i).timeline();
            timeline.scheduledNanos = now;
            listener.onScheduled(timeline);
        }
    }

    private void accept(GenerationRequest request, TokenSink sink) {
        String problem = live.containsKey(request.id())
                ? "a request with this id is already in flight"
                : check.problemWith(request, 0);
        if (problem != null) {
            sink.offer(new TokenEvent.Failed(FailureKind.INVALID_REQUEST, problem));
            return;
        }
        Sequence sequence = new Sequence(++numbers, request, sink, hasher);
        live.put(request.id(), sequence);
        waiting.addLast(sequence);
        audited = false;
        sequence.timeline().queuedNanos = clock.monotonicNanos();
        connector.onNewRequest(sequence);
        listener.onQueued(sequence.timeline());
    }

    private void end(String id, FinishReason reason) {
        Sequence sequence = live.get(id);
        if (sequence != null) {
            ending.finish(sequence, reason, -1);
        }
    }

    private int expireDeadlines() {
        long now = clock.monotonicNanos();
        if (live.isEmpty() || now - nextSweepNanos < 0) {
            return 0;
        }
        nextSweepNanos = now + DEADLINE_SWEEP_NANOS;
        List<Sequence> expired = new ArrayList<>();
        for (Sequence sequence : live.values()) {
            GenerationRequest request = sequence.request();
            boolean neverScheduled = sequence.timeline().scheduledNanos == RequestTimeline.NEVER;
            if (isPast(request.deadlineNanos(), now) || (neverScheduled && isPast(request.queueDeadlineNanos(), now))) {
                expired.add(sequence);
            }
        }
        for (Sequence sequence : expired) {
            ending.fail(sequence, FailureKind.DEADLINE, "the request's deadline passed");
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
            Batch batch = runner.spare().batch;
            planner.preemptAll(batch);
            announce(batch, clock.monotonicNanos());
            batch.clear();
        }
        boolean cleared = loads.forgetContents();
        if (cleared && resetConnector) {
            connector.reset();
        }
        return cleared;
    }

    /** Ends everything that lives, with a failure; what still lies in the inbox too. */
    public void failAll(FailureKind kind, String message) {
        inbox.refuseAll(kind, message);
        for (Sequence sequence : List.copyOf(live.values())) {
            ending.fail(sequence, kind, message);
        }
        runner.abandon();
        snapshot = takeSnapshot();
    }

    /** Tells every reader of the end without touching books that can no longer be trusted. */
    void abandonAll(String message) {
        inbox.refuseAll(FailureKind.INTERNAL, message);
        for (Sequence sequence : live.values()) {
            sequence.emit(new TokenEvent.Failed(FailureKind.INTERNAL, message));
        }
        live.clear();
        runner.abandon();
    }

    /**
     * Audits queues, tables and blocks.
     *
     * @throws IllegalStateException saying what does not balance
     */
    public void verifyBooks() {
        SchedulerBooks.verify(cache, settings, waiting, running, live.values(), loads, runner.ahead());
        if (live.isEmpty()
                && !loads.isPending()
                && cache.pool().free() != cache.pool().usable()) {
            throw new IllegalStateException("books do not balance: nothing lives, but blocks are held");
        }
    }

    /** True while copies are under way that need the loop to look after them. */
    public boolean hasTransfers() {
        return loads.isPending();
    }

    /** True while a request lives, running or waiting. */
    public boolean hasRequests() {
        return !live.isEmpty();
    }

    /** Who lives and where they stand, for messages of simulations. */
    public String describe() {
        return live.values().toString();
    }

    /** The state at the end of the latest turn; any thread. */
    public SchedulerSnapshot snapshot() {
        return snapshot;
    }

    private SchedulerSnapshot takeSnapshot() {
        return new SchedulerSnapshot(
                running.size(),
                waiting.waitingForCapacity(),
                waiting.waitingDeferred(),
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
