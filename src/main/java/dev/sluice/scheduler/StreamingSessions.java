package dev.sluice.scheduler;

import dev.sluice.kv.BlockHasher;
import dev.sluice.request.FailureKind;
import dev.sluice.request.FinishReason;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.TokenEvent;
import java.util.List;

/**
 * Requests whose input comes in chunks: vLLM's streaming input.
 *
 * <p>When the answer to a chunk stops, the session parks with its blocks and waits for the next one, which continues the
 * same sequence: what was computed stays, the outputs become prompt. A session has one prefill record, that of its first
 * chunk, and ends once.
 */
final class StreamingSessions {

    private static final int CHUNKS_MAX = 1024;

    private final int contextLength;
    private final RequestCheck check;
    private final WaitingQueue waiting;
    private final List<Sequence> running;
    private final SequenceEnding ending;
    private final BlockHasher hasher;

    StreamingSessions(
            int contextLength,
            RequestCheck check,
            WaitingQueue waiting,
            List<Sequence> running,
            SequenceEnding ending,
            BlockHasher hasher) {
        this.contextLength = contextLength;
        this.check = check;
        this.waiting = waiting;
        this.running = running;
        this.ending = ending;
        this.hasher = hasher;
    }

    /** More input for a session; it is taken up when the answer before it has stopped. */
    void extend(Sequence session, GenerationRequest chunk) {
        if (session.chunks.size() >= CHUNKS_MAX) {
            ending.fail(session, FailureKind.OVERLOADED, "more than " + CHUNKS_MAX + " chunks wait to be answered");
        } else if (session.state == Sequence.State.WAITING_FOR_STREAMING_REQ) {
            apply(session, chunk);
        } else {
            session.chunks.add(chunk);
        }
    }

    /** No more input will come; what runs, and what is queued, is still answered. */
    void close(Sequence session) {
        if (session.state == Sequence.State.WAITING_FOR_STREAMING_REQ) {
            ending.finish(session, FinishReason.ABORT, -1);
        } else {
            session.closing = true;
        }
    }

    /** The answer to the current chunk has stopped: go on with the next one, park, or end. */
    void stopped(Sequence session, FinishReason reason, int stopTokenId) {
        GenerationRequest next = session.chunks.poll();
        boolean full = session.tokenCount() >= contextLength;
        if (full || (next == null && session.closing)) {
            ending.finish(session, reason, stopTokenId);
            return;
        }
        if (!session.emit(new TokenEvent.Paused(reason, stopTokenId))) {
            ending.fail(session, FailureKind.SLOW_READER, "the stream was not read for too long");
            return;
        }
        if (!running.remove(session)) {
            waiting.remove(session);
        }
        session.state = Sequence.State.WAITING_FOR_STREAMING_REQ;
        waiting.park(session);
        if (next != null) {
            apply(session, next);
        }
    }

    private void apply(Sequence session, GenerationRequest chunk) {
        String problem = check.problemWith(chunk, session.tokenCount());
        if (problem != null) {
            ending.fail(session, FailureKind.INVALID_REQUEST, problem);
            return;
        }
        waiting.remove(session);
        session.continueWith(chunk, hasher);
        session.state = session.computed == 0 && session.timeline().preemptions > 0
                ? Sequence.State.PREEMPTED
                : Sequence.State.WAITING;
        waiting.addLast(session);
    }
}
