package dev.sluice.executor.cpu;

import dev.sluice.executor.ExecutorSpec;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.PendingStep;
import dev.sluice.executor.ScheduledSequence;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.StepResult;
import dev.sluice.kv.KvLayout;
import dev.sluice.model.ModelSpec;
import dev.sluice.model.WeightMap;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenLogprobs;
import dev.sluice.sampling.Sampler;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/**
 * The executor that needs nothing but the JVM: the whole model in the Vector API, on a fixed team of threads.
 *
 * <p>Batch invariance is its promise: each output element is computed by one fixed sequence of operations, whatever else
 * is in the batch, however positions are cut into steps, wherever blocks lie and however many workers there are. The
 * same request gives the same bits.
 */
public final class CpuExecutor implements ModelExecutor {

    private final ExecutorSpec spec;
    private final Arena arena;
    private final WorkerPool workers;
    private final Decoder decoder;
    private final Sampler sampler;
    private final float[] row;
    private final StepResult result = new StepResult();
    private boolean[] skip = new boolean[16];
    private boolean closed;

    /**
     * Packs the weights and allocates the blocks.
     *
     * @param contextLength longest sequence to serve, at most the model's own
     * @throws dev.sluice.model.ModelFormatException if a weight is missing or has another shape
     */
    @SuppressWarnings("MustBeClosedChecker") // closed with the executor
    public CpuExecutor(ModelSpec model, WeightMap weights, KvLayout layout, int contextLength, CpuSettings settings) {
        arena = Arena.ofShared();
        workers = new WorkerPool(settings.threads());
        decoder = new Decoder(model, weights, layout, workers, arena);
        sampler = new Sampler(model.vocabularySize());
        row = new float[model.vocabularySize()];
        String device = settings.threads() + " threads, " + Lanes.COUNT * Float.SIZE + "-bit vectors";
        spec = new ExecutorSpec("cpu", device, model.vocabularySize(), contextLength, layout);
    }

    /** Bytes of key/value memory that one block takes. */
    public static long blockBytes(ModelSpec model, int blockSize) {
        return KvArena.blockBytes(model, blockSize);
    }

    /** The block size must be a multiple of this. */
    public static int blockSizeStep() {
        return KvArena.BLOCK_SIZE_STEP;
    }

    @Override
    public ExecutorSpec spec() {
        return spec;
    }

    @Override
    public PendingStep submit(StepPlan plan) {
        result.begin(plan.size());
        if (skip.length < plan.size()) {
            skip = new boolean[plan.size() * 2];
        }
        for (int i = 0; i < plan.size(); i++) {
            String problem = problemWith(plan.get(i));
            skip[i] = problem != null;
            if (problem != null) {
                result.setFailure(i, problem);
            }
        }
        decoder.compute(plan, skip);
        sample(plan);
        return PendingStep.done(result);
    }

    private void sample(StepPlan plan) {
        int at = 0;
        for (int i = 0; i < plan.size(); i++) {
            ScheduledSequence line = plan.get(i);
            if (skip[i] || !line.samples()) {
                continue;
            }
            System.arraycopy(decoder.logits(), at, row, 0, row.length);
            at += decoder.logitsStride();
            SamplingParams sampling = line.sampling;
            int token = sampler.sample(row, sampling, line.tokens, line.promptLength, line.tokenCount);
            if (token < 0) {
                result.setFailure(i, "the model's output for this request is not a number");
                continue;
            }
            result.setToken(i, token);
            TokenLogprobs logprobs = sampler.lastLogprobs();
            if (logprobs != null) {
                result.setLogprobs(i, logprobs);
            }
        }
    }

    /** The scheduler has checked all of this; here a mistake would read or write foreign memory. */
    private @Nullable String problemWith(ScheduledSequence line) {
        KvLayout layout = spec.kv();
        int end = line.start + line.count;
        if (line.start < 0 || line.count < 1 || end > line.tokenCount || end > spec.contextLength()) {
            return "positions " + line.start + " to " + end + " are out of range";
        }
        if (end > (long) line.blockCount * layout.blockSize() || line.blockCount > line.blocks.length) {
            return "the block table does not cover the positions";
        }
        for (int i = 0; i < line.blockCount; i++) {
            if (line.blocks[i] <= KvLayout.NULL_BLOCK || line.blocks[i] >= layout.blockCount()) {
                return "the block table names a block that does not exist";
            }
        }
        for (int i = line.start; i < end; i++) {
            if (line.tokens[i] < 0 || line.tokens[i] >= spec.vocabularySize()) {
                return "token " + line.tokens[i] + " is outside the vocabulary of " + spec.vocabularySize();
            }
        }
        return null;
    }

    /** Logits of the last step, for tests: a row for each sampling sequence. */
    float[] logits() {
        return decoder.logits();
    }

    /** Floats from one row of {@link #logits} to the next. */
    int logitsStride() {
        return decoder.logitsStride();
    }

    /** Bytes of weights that the linear layers of one decode step read. */
    long linearBytes() {
        return decoder.linearBytes();
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            workers.close();
            arena.close();
        }
    }
}
