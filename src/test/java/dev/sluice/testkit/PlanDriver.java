package dev.sluice.testkit;

import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.PendingStep;
import dev.sluice.executor.ScheduledSequence;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.StepResult;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenLogprobs;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/** Drives an executor without a scheduler: sequences with tokens and blocks, computed in whatever chunks a test asks for. */
public final class PlanDriver {

    /** One sequence: its known ids, how many of them are computed, and its block table. */
    public static final class Run {
        public final long number;
        public final int promptLength;
        public int[] tokens;
        public int tokenCount;
        public int computed;
        public int[] blocks = new int[0];
        public SamplingParams sampling = SamplingParams.greedy(1);

        /** What came with each output token. */
        public final List<@Nullable TokenLogprobs> logprobs = new ArrayList<>();

        Run(long number, int[] prompt) {
            this.number = number;
            promptLength = prompt.length;
            tokens = prompt.clone();
            tokenCount = prompt.length;
        }

        /** Ids sampled so far. */
        public int[] output() {
            return Arrays.copyOfRange(tokens, promptLength, tokenCount);
        }

        public void append(int token) {
            if (tokenCount == tokens.length) {
                tokens = Arrays.copyOf(tokens, tokenCount * 2);
            }
            tokens[tokenCount++] = token;
        }
    }

    private final ModelExecutor executor;
    private final int blockSize;
    private final Deque<Integer> free = new ArrayDeque<>();
    private final StepPlan[] plans = {new StepPlan(), new StepPlan()};
    private StepPlan plan = plans[0];
    private long sequences;
    private long steps;

    /** Blocks are handed out in ascending order. */
    public PlanDriver(ModelExecutor executor) {
        this(executor, null);
    }

    /** Blocks are handed out in the order that the random source shuffles them into, if there is one. */
    public PlanDriver(ModelExecutor executor, Random shuffle) {
        this.executor = executor;
        blockSize = executor.spec().kv().blockSize();
        List<Integer> blocks = new ArrayList<>();
        for (int block = 1; block < executor.spec().kv().blockCount(); block++) {
            blocks.add(block);
        }
        if (shuffle != null) {
            Collections.shuffle(blocks, shuffle);
        }
        free.addAll(blocks);
    }

    public Run start(int... prompt) {
        return new Run(++sequences, prompt);
    }

    /** Gives the blocks back and forgets what was computed, as a preemption does. */
    public void release(Run run) {
        for (int i = 0; i < run.blocks.length; i++) {
            free.addFirst(run.blocks[i]);
        }
        run.blocks = new int[0];
        run.computed = 0;
    }

    /** Makes the run's blocks reach {@code positions} positions. */
    public void reserve(Run run, int positions) {
        int needed = (positions + blockSize - 1) / blockSize;
        int held = run.blocks.length;
        if (needed > held) {
            run.blocks = Arrays.copyOf(run.blocks, needed);
            for (int i = held; i < needed; i++) {
                run.blocks[i] = free.removeFirst();
            }
        }
    }

    /** Begins a plan; the one before may still be under way. */
    public StepPlan begin() {
        plan = plans[(int) (++steps % 2)];
        plan.begin(steps);
        return plan;
    }

    /** The plan under construction. */
    public StepPlan begun() {
        return plan;
    }

    /** Adds a line that computes the run's next {@code count} positions. */
    public ScheduledSequence schedule(Run run, int count) {
        reserve(run, run.computed + count);
        ScheduledSequence line = plan.add(count);
        line.sequence = run.number;
        line.sampling = run.sampling;
        line.promptLength = run.promptLength;
        line.tokens = run.tokens;
        line.tokenCount = run.tokenCount;
        line.start = run.computed;
        line.blocks = run.blocks;
        line.blockCount = run.blocks.length;
        return line;
    }

    /** Adds a line for the token that the given line of the plan before, which may be under way, is about to yield. */
    public ScheduledSequence scheduleAwaiting(Run run, int awaited) {
        if (run.tokenCount < run.tokens.length) {
            run.tokens[run.tokenCount] = Integer.MIN_VALUE; // nobody may read it
        }
        ScheduledSequence line = schedule(run, 1);
        line.tokenCount++;
        line.awaited = awaited;
        return line;
    }

    public StepResult submit() {
        return start().join();
    }

    public PendingStep start() {
        return executor.submit(plan);
    }

    /**
     * As {@link #generate} with whole prompts, but every step is submitted before the one before is joined, and the order of
     * the runs is another one in each.
     */
    public void generateAhead(int outputs, Run... runs) {
        List<Run> current = new ArrayList<>(List.of(runs));
        begin();
        for (Run run : current) {
            schedule(run, run.tokenCount - run.computed);
        }
        PendingStep step = start();
        while (!current.isEmpty()) {
            List<Run> next = new ArrayList<>();
            begin();
            for (Run run : current) {
                run.computed = run.tokenCount;
                if (run.tokenCount + 1 - run.promptLength < outputs) {
                    next.addFirst(run);
                }
            }
            for (Run run : next) {
                scheduleAwaiting(run, current.indexOf(run));
            }
            PendingStep ahead = start();
            StepResult result = step.join();
            for (int i = 0; i < current.size(); i++) {
                take(current.get(i), result, i);
            }
            current = next;
            step = ahead;
        }
        step.join();
    }

    /** Appends what a run was answered; throws if that is nothing. */
    public void take(Run run, StepResult result, int line) {
        if (result.failure(line) != null || result.lastToken(line) == StepResult.NO_TOKEN) {
            throw new AssertionError("sequence " + run.number + " failed: " + result.failure(line));
        }
        run.append(result.lastToken(line));
        run.logprobs.add(result.logprobs(line, 0));
    }

    /** One step: up to {@code chunk} positions of each run; sampled tokens are appended. */
    public void step(int chunk, Run... runs) {
        begin();
        int[] counts = new int[runs.length];
        for (int i = 0; i < runs.length; i++) {
            counts[i] = Math.min(chunk, runs[i].tokenCount - runs[i].computed);
            schedule(runs[i], counts[i]);
        }
        StepResult result = submit();
        for (int i = 0; i < runs.length; i++) {
            if (result.failure(i) != null) {
                throw new AssertionError("sequence " + runs[i].number + " failed: " + result.failure(i));
            }
            runs[i].computed += counts[i];
            boolean samples = runs[i].computed == runs[i].tokenCount;
            if (samples != (result.lastToken(i) != StepResult.NO_TOKEN)) {
                throw new AssertionError("sequence " + runs[i].number + " answered " + result.lastToken(i));
            }
            if (samples) {
                take(runs[i], result, i);
            }
        }
    }

    /** Computes all runs side by side until each has so many output tokens. */
    public void generate(int outputs, int chunk, Run... runs) {
        while (true) {
            Run[] unfinished = Arrays.stream(runs)
                    .filter(run -> run.tokenCount - run.promptLength < outputs)
                    .toArray(Run[]::new);
            if (unfinished.length == 0) {
                return;
            }
            step(chunk, unfinished);
        }
    }
}
