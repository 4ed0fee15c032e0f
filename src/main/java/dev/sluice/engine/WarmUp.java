package dev.sluice.engine;

import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.ScheduledSequence;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.StepResult;
import dev.sluice.kv.KvLayout;
import dev.sluice.request.SamplingParams;

/**
 * One real generation before anybody is served: what cannot answer this must not say that it is ready. It goes straight
 * to the executor, so that no counter has seen a request when the first one comes.
 */
final class WarmUp {

    private static final int PROMPT = 8;
    private static final int OUTPUTS = 2;

    private WarmUp() {}

    /** @throws IllegalStateException if the executor cannot generate */
    static void run(ModelExecutor executor) {
        KvLayout kv = executor.spec().kv();
        int promptLength = Math.max(1, Math.min(PROMPT, executor.spec().contextLength() - OUTPUTS));
        int[] tokens = new int[promptLength + OUTPUTS];
        int[] blocks = new int[Math.min(kv.usableBlocks(), kv.blocksFor(tokens.length))];
        for (int i = 0; i < blocks.length; i++) {
            blocks[i] = i + 1;
        }
        StepPlan plan = new StepPlan();
        int computed = 0;
        for (int known = promptLength; known < tokens.length; known++) {
            plan.begin(known - tokens.length); // before the loop's steps, which begin at 1
            ScheduledSequence line = plan.add(known - computed);
            line.sampling = SamplingParams.greedy(OUTPUTS);
            line.promptLength = promptLength;
            line.tokens = tokens;
            line.tokenCount = known;
            line.start = computed;
            line.blocks = blocks;
            line.blockCount = blocks.length;
            StepResult result = executor.submit(plan).join();
            String failure = result.failure(0);
            if (failure != null) {
                throw new IllegalStateException("the first generation failed: " + failure);
            }
            tokens[known] = result.token(0, 0);
            computed = known;
        }
    }
}
