package dev.sluice.executor.cuda;

import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.PendingStep;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.StepResult;
import dev.sluice.testkit.PlanDriver;
import dev.sluice.testkit.PlanDriver.Run;

/** Decode steps of some sequences, each of them given before the one before it is awaited, as the scheduler does. */
final class DecodeSteps implements AutoCloseable {

    private final ModelExecutor executor;
    private final PlanDriver driver;
    private final Run[] runs;
    private PendingStep underWay;
    private long ended;
    private long hostNanos;

    /** Gives the first step. */
    DecodeSteps(ModelExecutor executor, PlanDriver driver, Run... runs) {
        this.executor = executor;
        this.driver = driver;
        this.runs = runs;
        StepPlan plan = driver.begin();
        for (Run run : runs) {
            driver.schedule(run, 1);
        }
        underWay = executor.submit(plan);
        ended = System.nanoTime();
    }

    /** Gives a step and awaits the one before it; returns the seconds since that was last done. */
    double next() {
        StepPlan plan = driver.begin();
        for (int i = 0; i < runs.length; i++) {
            runs[i].computed = runs[i].tokenCount;
            driver.scheduleAwaiting(runs[i], i);
        }
        long start = System.nanoTime();
        PendingStep ahead = executor.submit(plan);
        hostNanos = System.nanoTime() - start;
        await(underWay);
        underWay = ahead;
        long now = System.nanoTime();
        double seconds = (now - ended) / 1e9;
        ended = now;
        return seconds;
    }

    /** What it took to give the last step. */
    double hostSeconds() {
        return hostNanos / 1e9;
    }

    private void await(PendingStep step) {
        StepResult result = step.join();
        for (int i = 0; i < runs.length; i++) {
            driver.take(runs[i], result, i);
        }
    }

    /** Awaits the last step. */
    @Override
    public void close() {
        await(underWay);
        for (Run run : runs) {
            run.computed = run.tokenCount - 1;
        }
    }
}
