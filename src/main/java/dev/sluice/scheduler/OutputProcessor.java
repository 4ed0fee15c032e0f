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
import dev.sluice.request.TokenLogprobs;
import org.jspecify.annotations.Nullable;

/** Turns a step's result into tokens, records and ends. */
final class OutputProcessor {

    private final KvCache cache;
    private final BlockHasher hasher;
    private final LifecycleListener listener;
    private final LiveSequences sequences;
    private final StepRollback rollback;
    private final int contextLength;
    private final int vocabularySize;

    OutputProcessor(
            KvCache cache,
            BlockHasher hasher,
            LifecycleListener listener,
            LiveSequences sequences,
            StepRollback rollback,
            int contextLength,
            int vocabularySize) {
        this.cache = cache;
        this.hasher = hasher;
        this.listener = listener;
        this.sequences = sequences;
        this.rollback = rollback;
        this.contextLength = contextLength;
        this.vocabularySize = vocabularySize;
    }

    void process(Step step, StepResult result, long nowNanos) {
        StepPlan plan = step.plan;
        int lines = 0;
        int promptTokens = 0;
        int outputTokens = 0;
        for (int i = 0; i < plan.size(); i++) {
            if (step.isWasted(i)) {
                continue;
            }
            lines++;
            ScheduledSequence line = plan.get(i);
            int ofPrompt = Math.max(0, Math.min(line.start + line.count, line.promptLength) - line.start);
            promptTokens += ofPrompt;
            Sequence sequence = step.get(i);
            // Computed from blocks that were not loaded, or that another one was to compute and did not.
            boolean inVain = sequence.isFinished() || step.isInVain(i);
            String failure = inVain ? null : failure(line, result, i);
            if (failure != null) {
                rollback.failAlone(step, i, failure);
            }
            if (inVain || failure != null) {
                wasted(sequence, ofPrompt);
                continue;
            }
            sequence.promptWork()
                    .computed(line.start, line.start + line.count, line.promptLength, listener, sequence.timeline());
            if (line.samples()) {
                if (step.isAhead(i)) {
                    cache.registerComputed(sequence.table(), sequence.computedTokens());
                }
                outputTokens += acceptAll(sequence, result, i, nowNanos);
            }
        }
        if (lines > 0) {
            listener.onStep(lines, promptTokens, outputTokens, nowNanos - step.startNanos);
        }
    }

    private @Nullable String failure(ScheduledSequence line, StepResult result, int index) {
        String failure = result.failure(index);
        boolean valid = !line.samples() || result.count(index) > 0;
        for (int i = 0; i < result.count(index); i++) {
            int token = result.token(index, i);
            valid &= token >= 0 && token < vocabularySize;
        }
        return failure == null && !valid ? "the model yielded no valid token" : failure;
    }

    private void wasted(Sequence sequence, int tokens) {
        if (tokens > 0) {
            listener.onPromptWork(sequence.timeline(), PromptWork.WASTED, tokens);
        }
    }

    /** Takes the tokens of a line, up to the one that ends the sequence; returns how many those are. */
    private int acceptAll(Sequence sequence, StepResult result, int line, long nowNanos) {
        int taken = 0;
        while (taken < result.count(line) && sequence.isRunning()) {
            accept(sequence, result.token(line, taken), result.logprobs(line, taken), nowNanos);
            taken++;
        }
        return taken;
    }

    private void accept(Sequence sequence, int token, @Nullable TokenLogprobs logprobs, long nowNanos) {
        RequestTimeline timeline = sequence.timeline();
        long previous = timeline.lastTokenNanos;
        if (timeline.firstTokenNanos == RequestTimeline.NEVER) {
            timeline.firstTokenNanos = nowNanos;
        }
        timeline.lastTokenNanos = nowNanos;
        timeline.outputTokens++;
        sequence.append(token, hasher);
        sequence.promptWork().settle(PromptWork.ANSWERED, listener, timeline);
        PrefillRecord record = sequence.takePrefill();
        boolean taken = true;
        if (record != null) {
            listener.onPrefilled(timeline, record);
            taken = sequence.emit(new TokenEvent.Prefilled(record));
        }
        listener.onToken(timeline, previous);
        taken &= sequence.emit(new TokenEvent.Token(token, logprobs));
        if (!taken) {
            sequences.fail(sequence, FailureKind.SLOW_READER, "the stream was not read for too long");
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
                sequences.finish(sequence, FinishReason.STOP, -1);
                return;
            }
            if (contains(sampling.stopTokenIds(), token)) {
                sequences.finish(sequence, FinishReason.STOP, token);
                return;
            }
        }
        if (sequence.tokenCount() >= contextLength || outputs >= sampling.maxTokens()) {
            sequences.finish(sequence, FinishReason.LENGTH, -1);
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
