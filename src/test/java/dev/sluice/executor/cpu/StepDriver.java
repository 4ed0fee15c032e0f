package dev.sluice.executor.cpu;

import dev.sluice.executor.ScheduledSequence;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.StepResult;
import dev.sluice.kv.KvLayout;
import dev.sluice.request.SamplingParams;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/** Drives an executor by hand: prompts in chunks, alone or batched, over shuffled blocks; keeps logits and tokens. */
final class StepDriver {

    /** One sequence and what came of it. */
    static final class Run {
        final int[] prompt;
        final int outputs;
        int[] tokens;
        int count;
        int computed;
        int[] blocks;
        float[] firstLogits;
        final List<float[]> logits = new ArrayList<>();

        Run(int[] prompt, int outputs) {
            this.prompt = prompt;
            this.outputs = outputs;
            tokens = Arrays.copyOf(prompt, prompt.length + outputs);
            count = prompt.length;
        }

        int[] output() {
            return Arrays.copyOfRange(tokens, prompt.length, count);
        }

        boolean isDone() {
            return count == tokens.length;
        }
    }

    private final CpuExecutor executor;
    private final int vocabulary;
    private final Random random = new Random(5);
    private long step;

    StepDriver(CpuExecutor executor) {
        this.executor = executor;
        this.vocabulary = executor.spec().vocabularySize();
    }

    /** Runs all together, each prompt in chunks of at most {@code chunk} tokens. */
    List<Run> runBatched(List<int[]> prompts, int outputs, int chunk) {
        List<Integer> free = new ArrayList<>();
        KvLayout kv = executor.spec().kv();
        for (int block = 1; block < kv.blockCount(); block++) {
            free.add(block);
        }
        Collections.shuffle(free, random);
        List<Run> runs = new ArrayList<>();
        for (int i = 0; i < prompts.size(); i++) {
            Run run = new Run(prompts.get(i), outputs);
            run.blocks = new int[kv.blocksFor(run.tokens.length)];
            for (int b = 0; b < run.blocks.length; b++) {
                run.blocks[b] = free.removeLast();
            }
            runs.add(run);
        }
        while (!runs.stream().allMatch(Run::isDone)) {
            step(runs, chunk);
        }
        return runs;
    }

    Run runAlone(int[] prompt, int outputs, int chunk) {
        return runBatched(List.of(prompt), outputs, chunk).getFirst();
    }

    private void step(List<Run> runs, int chunk) {
        StepPlan plan = new StepPlan();
        plan.begin(++step);
        List<Run> scheduled = new ArrayList<>();
        for (int i = 0; i < runs.size(); i++) {
            Run run = runs.get(i);
            if (run.isDone()) {
                continue;
            }
            ScheduledSequence line = plan.add(Math.min(chunk, run.count - run.computed));
            line.sequence = i;
            line.kind = run.computed == 0 ? ScheduledSequence.Kind.NEW : ScheduledSequence.Kind.RUNNING;
            line.sampling = SamplingParams.greedy(run.outputs);
            line.promptLength = run.prompt.length;
            line.tokens = run.tokens;
            line.tokenCount = run.count;
            line.start = run.computed;
            line.blocks = run.blocks;
            line.blockCount = run.blocks.length;
            scheduled.add(run);
        }
        StepResult result = executor.submit(plan).join();
        int row = 0;
        for (int i = 0; i < scheduled.size(); i++) {
            Run run = scheduled.get(i);
            if (result.failure(i) != null) {
                throw new IllegalStateException(result.failure(i));
            }
            boolean samples = plan.get(i).samples();
            run.computed += plan.get(i).count;
            if (samples) {
                int from = row++ * executor.logitsStride();
                run.logits.add(Arrays.copyOfRange(executor.logits(), from, from + vocabulary));
                run.tokens[run.count++] = result.token(i);
            }
        }
    }
}
