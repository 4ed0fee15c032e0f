package dev.sluice.scheduler;

import dev.sluice.executor.ScheduledSequence;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.StepResult;
import dev.sluice.kv.BlockHasher;
import dev.sluice.kv.KvCache;
import dev.sluice.request.FailureKind;
import dev.sluice.request.FinishReason;
import dev.sluice.request.PrefillRecord;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenEvent;
import org.jspecify.annotations.Nullable;

/** Turns a step's result into tokens, records and ends. */
final class StepApplication {

    private final KvCache cache;
    private final BlockHasher hasher;
    private final LifecycleListener listener;
    private final SequenceEnding ending;
    private final StreamingSessions sessions;
    private final int contextLength;
    private final int vocabularySize;

    StepApplication(
            KvCache cache,
            BlockHasher hasher,
            LifecycleListener listener,
            SequenceEnding ending,
            StreamingSessions sessions,
            int contextLength,
            int vocabularySize) {
        this.cache = cache;
        this.hasher = hasher;
        this.listener = listener;
        this.ending = ending;
        this.sessions = sessions;
        this.contextLength = contextLength;
        this.vocabularySize = vocabularySize;
    }

    void apply(Step step, StepResult result, long nowNanos) {
        Batch batch = step.batch;
        StepPlan plan = step.plan;
        int sequences = 0;
        int promptTokens = 0;
        int outputTokens = 0;
        for (int i = 0; i < plan.size(); i++) {
            if (batch.isWasted(i)) {
                continue;
            }
            sequences++;
            ScheduledSequence line = plan.get(i);
            int ofPrompt = Math.max(0, Math.min(line.start + line.count, line.promptLength) - line.start);
            promptTokens += ofPrompt;
            Sequence sequence = batch.get(i);
            // Computed from blocks that were not loaded, or that another one was to compute and did not.
            boolean inVain = sequence.isFinished() || batch.count(i) == 0;
            String failure = inVain ? null : failure(line, result, i);
            if (failure != null) {
                ending.failAlone(batch, i, failure);
            }
            if (inVain || failure != null) {
                wasted(sequence, ofPrompt);
                continue;
            }
            sequence.ledger()
                    .computed(line.start, line.start + line.count, line.promptLength, listener, sequence.timeline());
            if (line.samples()) {
                if (batch.isAhead(i)) {
                    cache.registerComputed(sequence.table(), sequence.computedTokens());
                }
                outputTokens++;
                accept(sequence, result.token(i), result, i, nowNanos);
            }
        }
        if (sequences > 0) {
            listener.onStep(sequences, promptTokens, outputTokens, nowNanos - step.startNanos);
        }
    }

    private @Nullable String failure(ScheduledSequence line, StepResult result, int index) {
        String failure = result.failure(index);
        boolean valid = result.token(index) >= 0 && result.token(index) < vocabularySize;
        return failure == null && line.samples() && !valid ? "the model yielded no valid token" : failure;
    }

    private void wasted(Sequence sequence, int tokens) {
        if (tokens > 0) {
            listener.onPromptWork(sequence.timeline(), PromptWork.WASTED, tokens);
        }
    }

    private void accept(Sequence sequence, int token, StepResult result, int index, long nowNanos) {
        RequestTimeline timeline = sequence.timeline();
        long previous = timeline.firstTokenDue ? RequestTimeline.NEVER : timeline.lastTokenNanos;
        if (timeline.firstTokenNanos == RequestTimeline.NEVER) {
            timeline.firstTokenNanos = nowNanos;
        }
        timeline.firstTokenDue = false;
        timeline.lastTokenNanos = nowNanos;
        timeline.outputTokens++;
        sequence.append(token, hasher);
        sequence.ledger().settle(PromptWork.ANSWERED, listener, timeline);
        PrefillRecord record = sequence.takePrefill();
        boolean taken = true;
        if (record != null) {
            listener.onPrefilled(timeline, record);
            taken = sequence.emit(new TokenEvent.Prefilled(record));
        }
        listener.onToken(timeline, previous);
        taken &= sequence.emit(new TokenEvent.Token(token, result.logprobs(index)));
        if (!taken) {
            ending.fail(sequence, FailureKind.SLOW_READER, "the stream was not read for too long");
        } else {
            testStop(sequence, token);
        }
    }

    /** vLLM's order: minimum length, end of sequence, stop ids, lengths. */
    private void testStop(Sequence sequence, int token) {
        SamplingParams sampling = sequence.request().sampling();
        int outputs = sequence.outputCount();
        if (outputs >= sampling.minTokens()) {
            if (contains(sampling.endTokenIds(), token)) {
                stop(sequence, FinishReason.STOP, -1);
                return;
            }
            if (contains(sampling.stopTokenIds(), token)) {
                stop(sequence, FinishReason.STOP, token);
                return;
            }
        }
        if (sequence.tokenCount() >= contextLength || outputs >= sampling.maxTokens()) {
            stop(sequence, FinishReason.LENGTH, -1);
        }
    }

    private void stop(Sequence sequence, FinishReason reason, int stopTokenId) {
        if (sequence.request().resumable()) {
            sessions.stopped(sequence, reason, stopTokenId);
        } else {
            ending.finish(sequence, reason, stopTokenId);
        }
    }

    private static boolean contains(int[] ids, int id) {
        for (int candidate : ids) {
            if (candidate == id) {
                return true;
            }
        }
        return false;
    }
}
