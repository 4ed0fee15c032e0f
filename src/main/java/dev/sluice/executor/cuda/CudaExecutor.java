package dev.sluice.executor.cuda;

import static dev.sluice.executor.cuda.CudaStep.NOWHERE;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.ExecutorException.Scope;
import dev.sluice.executor.ExecutorSpec;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.PendingStep;
import dev.sluice.executor.PlanCheck;
import dev.sluice.executor.ScheduledSequence;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.cuda.driver.CudaContext;
import dev.sluice.executor.cuda.driver.CudaDriver;
import dev.sluice.executor.cuda.driver.CudaUnavailableException;
import dev.sluice.executor.cuda.kernels.KernelImages;
import dev.sluice.executor.cuda.step.CudaPass;
import dev.sluice.executor.cuda.step.PassLimits;
import dev.sluice.executor.cuda.step.SampleBatch;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.kv.KvLayout;
import dev.sluice.model.ModelSpec;
import dev.sluice.model.WeightMap;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The executor for NVIDIA GPUs: cuts plans into passes, and gives them to its {@link CudaRank}.
 *
 * <p>A step is one upload of numbers, the kernels of all layers, sampling, and one copy of the chosen ids back; the host
 * waits for nothing before {@link PendingStep#join}. A line that awaits a token of the step before finds it where that step's
 * sampling leaves it on the device; only if it is not there for certain, or has to be counted, the host waits for it.
 *
 * <p>All memory of the device is taken at construction, and the weights are copied, so the model may be closed afterwards.
 * Calls may come from several threads, one at a time.
 */
public final class CudaExecutor implements ModelExecutor {

    private final CudaRank rank;
    private final ExecutorSpec spec;
    private final PlanCheck check;
    private final PassLimits limits;
    private final CudaStep[] steps = new CudaStep[2];
    private int turn;

    /**
     * Takes the device's memory and uploads the weights.
     *
     * @throws CudaUnavailableException if there is no driver, no such device, or no kernels for it
     * @throws IllegalArgumentException if the model does not fit, with the arithmetic
     */
    public static CudaExecutor open(ModelSpec model, WeightMap weights, CudaSettings settings) {
        return open(CudaDriver.LIBRARY, KernelImages.here(settings.kernelCache()), model, weights, settings);
    }

    static CudaExecutor open(
            String library, KernelImages images, ModelSpec model, WeightMap weights, CudaSettings settings) {
        CudaDriver driver = CudaDriver.open(library);
        CudaContext context = new CudaContext(driver, driver.device(settings.device()));
        try {
            RankPlan plan = RankPlan.of(context, model, weights, settings);
            KvLayout layout = plan.layout();
            return new CudaExecutor(new CudaRank(context, plan, layout, images), plan, plan.spec(layout));
        } catch (RuntimeException | Error e) {
            context.close();
            throw e;
        }
    }

    private CudaExecutor(CudaRank rank, RankPlan plan, ExecutorSpec spec) {
        this.rank = rank;
        this.spec = spec;
        limits = plan.limits();
        ModelSpec model = plan.model();
        check = new PlanCheck(spec, model.slidingWindow());
        for (int i = 0; i < steps.length; i++) {
            steps[i] = new CudaStep(rank, limits, plan.settings().blockSize(), model.vocabularySize());
        }
    }

    @Override
    public ExecutorSpec spec() {
        return spec;
    }

    @Override
    public boolean runsBesideItsCaller() {
        return true;
    }

    @Override
    public PendingStep submit(StepPlan plan) {
        rank.enter();
        int mine = turn;
        turn = 1 - turn;
        CudaStep step = steps[mine];
        CudaStep before = steps[turn];
        step.begin(plan);
        try {
            rank.begin(step.onDevice, mine, plan.transfers());
            compute(plan, step, before);
            rank.end(step.onDevice);
        } catch (RuntimeException e) {
            step.lose();
            rank.abandon();
            if (e instanceof ExecutorException known) {
                throw known;
            }
            throw new ExecutorException(Scope.STEP, "a step could not be given to the GPU", e);
        }
        return step;
    }

    private void compute(StepPlan plan, CudaStep step, CudaStep before) {
        step.pass.begin();
        // A second pass would find the answers of the first one where those of the step before were.
        boolean onePass = plan.size() <= limits.lines() && plan.tokenCount() <= limits.rows();
        for (int i = 0; i < plan.size(); i++) {
            ScheduledSequence line = plan.get(i);
            String problem = problem(line, before);
            int lastId = 0;
            if (problem == null && line.awaited != ScheduledSequence.NOTHING) {
                int place = onePass ? placeOfAwaited(line, before) : NOWHERE;
                lastId = place == NOWHERE ? before.awaitToken(line.awaited) : -1 - place; // as embed.cu reads it
                problem = place == NOWHERE && lastId < 0 ? "the token before was not sampled" : null;
            }
            if (problem != null) {
                step.result.setFailure(i, problem);
                continue;
            }
            int end = line.start + line.count;
            for (int position = line.start; position < end; ) {
                position += step.pass.add(i, line, position, lastId);
                if (step.pass.isFull()) {
                    finishPass(plan, step);
                }
            }
        }
        finishPass(plan, step);
    }

    /** Where on the device the token is that a line awaits; nowhere if the host must wait for it, or count it. */
    private static int placeOfAwaited(ScheduledSequence line, CudaStep before) {
        return SampleBatch.hasPenalties(line.sampling) ? NOWHERE : before.placeOnDevice(line.awaited);
    }

    private @Nullable String problem(ScheduledSequence line, CudaStep before) {
        String problem = check.problem(line, before.result.size());
        return problem == null ? SampleBatch.problem(line.sampling) : problem;
    }

    /** Gives what the pass holds to the device, and empties it. */
    private void finishPass(StepPlan plan, CudaStep step) {
        CudaPass pass = step.pass;
        if (pass.rows() == 0) {
            return;
        }
        if (step.isAwaitingSamples()) {
            rank.synchronize(); // steps of more than one pass are rare: the one before must be out of the way
            step.readSamples();
        }
        rank.give(step.onDevice, pass, step.samples, plan);
        step.expectSamples();
        pass.begin();
    }

    @Override
    public HostPages allocateHostPages(int count) {
        rank.enter();
        return rank.allocateHostPages(count);
    }

    @Override
    public List<FinishedTransfer> pollTransfers() {
        rank.enter();
        return rank.pollTransfers();
    }

    @Override
    public void close() {
        rank.close();
    }
}
