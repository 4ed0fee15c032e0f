package dev.sluice.executor.sim;

import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.ModelExecutorContract;
import dev.sluice.testkit.PlanDriver;
import dev.sluice.testkit.PlanDriver.Run;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;

/** The simulator keeps the contract, with answers known by formula. */
class SimulatedExecutorContractTest extends ModelExecutorContract {

    private static final int VOCABULARY = 60;

    private final Set<Long> failing = new HashSet<>();

    @Override
    protected ModelExecutor open() {
        return new SimulatedExecutor(SimulatedExecutor.spec(VOCABULARY, CONTEXT, LAYOUT), new FaultPlan() {
            @Override
            public boolean failsSequence(long step, long sequence) {
                return failing.contains(sequence);
            }
        });
    }

    @Override
    protected List<Known> known() {
        return IntStream.of(1, 17, 64, 130)
                .mapToObj(
                        length -> new Random(length).ints(length, 0, VOCABULARY).toArray())
                .map(prompt -> new Known(prompt, continuation(prompt, 16)))
                .toList();
    }

    private static int[] continuation(int[] prompt, int outputs) {
        int[] tokens = Arrays.copyOf(prompt, prompt.length + outputs);
        for (int i = prompt.length; i < tokens.length; i++) {
            tokens[i] = SimulatedExecutor.nextToken(tokens, i, VOCABULARY);
        }
        return Arrays.copyOfRange(tokens, prompt.length, tokens.length);
    }

    @Override
    protected Run failing(PlanDriver driver) {
        Run run = driver.start(new Random(5).ints(40, 0, VOCABULARY).toArray());
        failing.add(run.number);
        return run;
    }
}
