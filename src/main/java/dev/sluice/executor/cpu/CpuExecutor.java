package dev.sluice.executor.cpu;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.ExecutorSpec;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.PendingStep;
import dev.sluice.executor.PlanCheck;
import dev.sluice.executor.ScheduledSequence;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.StepResult;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.kv.KvLayout;
import dev.sluice.model.ModelFormatException;
import dev.sluice.model.ModelSpec;
import dev.sluice.model.WeightMap;
import dev.sluice.runtime.SystemClock;
import dev.sluice.sampling.Sampler;
import java.lang.foreign.Arena;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The executor that needs nothing but a JVM: the decoder in the Vector API, on threads of its own.
 *
 * <p>A step is computed by the thread that submits it, with the help of the workers, and is done when {@link #submit}
 * returns. The same sequence yields the same bits in whatever chunks and company it is computed, and on however many
 * threads. All memory is taken at construction; the weights are copied, so the model may be closed afterwards.
 */
public final class CpuExecutor implements ModelExecutor {

    private static final Logger log = LoggerFactory.getLogger(CpuExecutor.class);
    private static final int ROWS_MAX = 512; // beyond this, more rows at once do not make a product any faster
    private static final int SAMPLES_MAX = 32; // bounds the logits, which are as wide as the vocabulary

    /** Sees logits before a token is chosen from them; for tests. */
    interface LogitsObserver {
        void observe(int line, float[] logits);
    }

    private final ExecutorSpec spec;
    private final Arena memory;
    private final Workers workers;
    private final DecoderForward decoder;
    private final Pass pass;
    private final PlanCheck check;
    private final int samplesMax;
    private final Sampler[] samplers;
    private BlockCopies copies;
    private final Workers.Job sampling = this::sample;
    private final StepResult result = new StepResult();
    private final PendingStep done = PendingStep.done(result);
    private StepPlan plan = new StepPlan();
    private float[][] logits = {};
    private int firstSample;
    private @Nullable LogitsObserver observer;
    private boolean closed;

    /**
     * Packs the weights and takes all memory.
     *
     * @param contextLength longest sequence to serve, at most the model's own
     * @throws ModelFormatException if a tensor is missing or has the wrong shape
     */
    public CpuExecutor(ModelSpec model, WeightMap weights, KvLayout layout, int contextLength, CpuSettings settings) {
        this(model, weights, layout, contextLength, settings, TensorOps.best());
    }

    @SuppressWarnings("MustBeClosedChecker") // the executor owns the memory
    CpuExecutor(
            ModelSpec model,
            WeightMap weights,
            KvLayout layout,
            int contextLength,
            CpuSettings settings,
            TensorOps ops) {
        memory = Arena.ofShared();
        workers = new Workers("cpu-executor", settings.threads());
        try {
            int rowsMax = Math.min(settings.maxBatchedTokens(), ROWS_MAX);
            samplesMax = Math.min(settings.maxSequences(), SAMPLES_MAX);
            DecoderWeights packed = DecoderWeights.load(model, new MatrixPacker(weights, memory, workers));
            decoder = new DecoderForward(model, packed, layout, memory, ops, workers, rowsMax, samplesMax);
            pass = new Pass(rowsMax);
            copies = new BlockCopies(decoder.arena(), 0, memory, new SystemClock());
            samplers = new Sampler[settings.threads()];
            for (int i = 0; i < samplers.length; i++) {
                samplers[i] = new Sampler(model.vocabularySize());
            }
        } catch (RuntimeException | Error e) {
            workers.close();
            memory.close();
            throw e;
        }
        String device = settings.threads() + (settings.threads() == 1 ? " thread, " : " threads, ") + ops.description();
        spec = new ExecutorSpec(
                "cpu",
                device,
                model.vocabularySize(),
                contextLength,
                layout,
                blockBytes(model, layout.blockSize()),
                KvArena.FORMAT);
        check = new PlanCheck(spec, model.slidingWindow());
        log.info("CPU executor: {}, {} MiB of key/value memory", device, kvBytes(model, layout) >> 20);
    }

    /** Bytes that one key/value block takes: what a memory budget is divided by. */
    public static long blockBytes(ModelSpec model, int blockSize) {
        return KvArena.blockBytes(model, blockSize);
    }

    private static long kvBytes(ModelSpec model, KvLayout layout) {
        return blockBytes(model, layout.blockSize()) * layout.blockCount();
    }

    @Override
    public ExecutorSpec spec() {
        return spec;
    }

    @Override
    public PendingStep submit(StepPlan newPlan) {
        requireOpen();
        plan = newPlan;
        result.begin(plan);
        copies.begin(plan.transfers());
        try {
            compute();
        } catch (RuntimeException e) {
            throw new ExecutorException(ExecutorException.Scope.STEP, "a step failed on the CPU", e);
        }
        return done;
    }

    @Override
    public HostPages allocateHostPages(int count) {
        requireOpen();
        try {
            copies = new BlockCopies(decoder.arena(), count, memory, new SystemClock());
        } catch (OutOfMemoryError e) {
            throw new ExecutorException(ExecutorException.Scope.DEVICE, "no memory for " + count + " host pages", e);
        }
        return copies.pages();
    }

    @Override
    public List<FinishedTransfer> pollTransfers() {
        requireOpen();
        return copies.poll();
    }

    private void requireOpen() {
        if (closed) {
            throw new ExecutorException(ExecutorException.Scope.DEVICE, "the CPU executor is closed");
        }
    }

    void observe(LogitsObserver newObserver) {
        observer = newObserver;
    }

    private void compute() {
        pass.begin();
        for (int i = 0; i < plan.size(); i++) {
            ScheduledSequence line = plan.get(i);
            String problem = check.problem(line, 0);
            if (problem != null) {
                result.setFailure(i, problem);
                continue;
            }
            int end = line.start + line.count;
            for (int position = line.start; position < end; ) {
                position += pass.add(i, line, position);
                if (pass.isFull()) {
                    finishPass();
                }
            }
        }
        finishPass();
    }

    private void finishPass() {
        if (pass.rows() > 0) {
            decoder.run(pass);
            for (int first = 0; first < pass.sampled(); first += samplesMax) {
                int count = Math.min(samplesMax, pass.sampled() - first);
                logits = decoder.logits(first, count);
                firstSample = first;
                workers.run(count, sampling);
            }
        }
        pass.begin();
    }

    private void sample(int worker, int index) {
        int line = pass.sampledLine(firstSample + index);
        ScheduledSequence sequence = plan.get(line);
        LogitsObserver current = observer;
        if (current != null) {
            current.observe(line, logits[index]);
        }
        try {
            Sampler sampler = samplers[worker];
            int token = sampler.sample(
                    logits[index], sequence.sampling, sequence.tokens, sequence.promptLength, sequence.tokenCount);
            if (token < 0) {
                result.setFailure(line, "the model gave no usable probabilities");
                return;
            }
            result.addToken(line, token, sampler.lastLogprobs());
        } catch (RuntimeException e) {
            log.error("sampling failed for sequence {}", sequence.sequence, e);
            result.setFailure(line, "no token could be chosen");
        }
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            copies.close();
            workers.close();
            memory.close();
        }
    }
}
