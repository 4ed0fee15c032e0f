package dev.sluice.testkit;

import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.ScheduledSequence;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.StepResult;
import dev.sluice.request.SamplingParams;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.Random;

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
        public boolean resumed;
        public SamplingParams sampling = SamplingParams.greedy(1);

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
    private final StepPlan plan = new StepPlan();
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
        run.resumed = true;
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

    public StepPlan begin() {
        plan.begin(++steps);
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
        line.kind = run.computed > 0
                ? ScheduledSequence.Kind.RUNNING
                : run.resumed ? ScheduledSequence.Kind.RESUMED : ScheduledSequence.Kind.NEW;
        line.sampling = run.sampling;
        line.promptLength = run.promptLength;
        line.tokens = run.tokens;
        line.tokenCount = run.tokenCount;
        line.start = run.computed;
        line.blocks = run.blocks;
        line.blockCount = run.blocks.length;
        return line;
    }

    public StepResult submit() {
        return executor.submit(plan).join();
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
            if (samples != (result.token(i) != StepResult.NO_TOKEN)) {
                throw new AssertionError("sequence " + runs[i].number + " answered " + result.token(i));
            }
            if (samples) {
                runs[i].append(result.token(i));
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
