package dev.sluice.executor.sim;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.ExecutorSpec;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.PendingStep;
import dev.sluice.executor.ScheduledSequence;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.StepResult;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.kv.KvLayout;
import dev.sluice.request.TokenLogprobs;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * An executor without a model that checks every step plan.
 *
 * <p>Its "keys and values" are tags: each slot remembers which token of which history was written there. A step writes
 * the tags of its positions, then reads every slot of every block table and compares it with what the sequence's own
 * tokens demand. Wrong sharing, a block freed too early, a chunk left out or a stale block each become an immediate
 * failure. The next token is a hash of the whole history, so every output is known in advance, whatever was batched,
 * chunked, preempted or cached. The idea is TigerBeetle's: let the simulated part check its caller.
 */
public final class SimulatedExecutor implements ModelExecutor {

    private static final long UNWRITTEN = 0;
    private static final float LOG_HALF = (float) Math.log(0.5);

    private final ExecutorSpec spec;
    private final FaultPlan faults;
    private final int blockSize;
    private final long[] slots;
    private final long[] writtenInStep;
    private StepResult spareResult = new StepResult();
    private StepResult otherResult = new StepResult();
    private @Nullable SimulatedStep last;
    private SimulatedCopies copies;
    private @Nullable String violation;
    private boolean closed;
    private int weights;

    public SimulatedExecutor(ExecutorSpec spec, FaultPlan faults) {
        this.spec = spec;
        this.faults = faults;
        blockSize = spec.kv().blockSize();
        slots = new long[Math.multiplyExact(spec.kv().blockCount(), blockSize)];
        writtenInStep = new long[slots.length];
        copies = new SimulatedCopies(0, slots, blockSize, faults);
    }

    /** What a simulator with these numbers says of itself. */
    public static ExecutorSpec spec(int vocabularySize, int contextLength, KvLayout layout) {
        long blockBytes = (long) layout.blockSize() * Long.BYTES;
        return new ExecutorSpec(
                "simulator", "no model", vocabularySize, contextLength, layout, blockBytes, "simulator-1");
    }

    @Override
    public ExecutorSpec spec() {
        return spec;
    }

    /** The first thing that was wrong with a step plan, or null. */
    public @Nullable String violation() {
        return violation;
    }

    /** From now on another model computes: whatever was computed before, here or elsewhere, is wrong. */
    public void changeWeights() {
        weights++;
    }

    /** How often the model has changed. */
    public int weights() {
        return weights;
    }

    @Override
    public HostPages allocateHostPages(int count) {
        requireOpen();
        copies = new SimulatedCopies(count, slots, blockSize, faults);
        return copies.pages();
    }

    @Override
    public List<FinishedTransfer> pollTransfers() {
        requireOpen();
        return copies.poll();
    }

    @Override
    public boolean runsBesideItsCaller() {
        return true;
    }

    @Override
    public PendingStep submit(StepPlan plan) {
        requireOpen();
        SimulatedStep before = last;
        if (before != null && before.waitsForAnother()) {
            throw violated("step " + plan.step() + " was submitted while two were under way");
        }
        if (faults.refusesStep(plan.step())) {
            if (before != null) {
                before.finish();
            }
            copies.begin(plan.transfers());
            last = null;
            throw new ExecutorException(ExecutorException.Scope.STEP, "injected refusal of step " + plan.step());
        }
        SimulatedStep step = new SimulatedStep(plan, spareResult, before, this::compute);
        spareResult = otherResult;
        otherResult = step.result;
        last = step;
        return step;
    }

    private void compute(SimulatedStep step) {
        StepPlan plan = step.plan;
        StepResult result = step.result;
        if (!step.isUntouched()) {
            throw violated("a plan was used again before its step was over");
        }
        copies.begin(plan.transfers());
        if (faults.failsStep(plan.step())) {
            throw new ExecutorException(ExecutorException.Scope.STEP, "injected failure of step " + plan.step());
        }
        for (int i = 0; i < plan.size(); i++) {
            ScheduledSequence line = plan.get(i);
            int awaited = awaitedToken(step, line);
            checkShape(line);
            if (faults.failsSequence(plan.step(), line.sequence)) {
                result.setFailure(i, "injected failure");
            } else if (line.awaited != ScheduledSequence.NOTHING && awaited == StepResult.NO_TOKEN) {
                result.setFailure(i, "the step before did not yield what this line awaits");
            } else {
                write(line, awaited, plan.step());
            }
        }
        for (int i = 0; i < plan.size(); i++) {
            if (result.failure(i) == null) {
                read(step, i);
            }
        }
    }

    private int awaitedToken(SimulatedStep step, ScheduledSequence line) {
        if (line.awaited == ScheduledSequence.NOTHING) {
            return StepResult.NO_TOKEN;
        }
        if (!step.mayAwait(line)) {
            throw violated(line, "awaits line " + line.awaited + " of the step before, which is not its own");
        }
        return step.awaitedToken(line);
    }

    /** The id at a position of a line: the last one may be known to the executor alone. */
    private static int token(ScheduledSequence line, int position, int awaited) {
        return position < line.knownCount() ? line.tokens[position] : awaited;
    }

    private void checkShape(ScheduledSequence line) {
        if (line.start < 0 || line.count < 1 || line.count > line.tokenCount - line.start) {
            throw violated(line, "positions " + line.start + "+" + line.count + " of " + line.tokenCount);
        }
        if (line.knownCount() > line.tokens.length || line.start + line.count > spec.contextLength()) {
            throw violated(line, line.tokenCount + " tokens are more than there are, or than the context holds");
        }
        if (line.start + line.count > line.blockCount * blockSize || line.blockCount > line.blocks.length) {
            throw violated(line, line.blockCount + " blocks do not cover its positions");
        }
        for (int i = 0; i < line.knownCount(); i++) {
            if (line.tokens[i] < 0 || line.tokens[i] >= spec.vocabularySize()) {
                throw violated(line, "token " + line.tokens[i] + " is not in the vocabulary");
            }
        }
        for (int i = 0; i < line.blockCount; i++) {
            if (line.blocks[i] < 1 || line.blocks[i] >= spec.kv().blockCount()) {
                throw violated(line, "block " + line.blocks[i] + " does not exist");
            }
        }
    }

    private void write(ScheduledSequence line, int awaited, long step) {
        long history = origin(weights);
        boolean lacksLoad = lacksLoad(line);
        for (int position = 0; position < line.start + line.count; position++) {
            history = extend(history, token(line, position, awaited));
            if (position >= line.start) {
                int slot = slot(line, position);
                if (lacksLoad) {
                    slots[slot] = SimulatedCopies.GARBAGE;
                    continue;
                }
                if (writtenInStep[slot] == step && slots[slot] != history) {
                    throw violated(line, "writes position " + position + " into a block that another writes too");
                }
                slots[slot] = history;
                writtenInStep[slot] = step;
            }
        }
    }

    private void read(SimulatedStep step, int index) {
        ScheduledSequence line = step.plan.get(index);
        StepResult result = step.result;
        int awaited = awaitedToken(step, line);
        if (lacksLoad(line)) {
            if (line.samples()) {
                result.addToken(index, 0, null); // computed from nothing: the caller must not use it
            }
            return;
        }
        long history = origin(weights);
        for (int position = 0; position < line.start + line.count; position++) {
            history = extend(history, token(line, position, awaited));
            if (slots[slot(line, position)] != history) {
                if (sharesFailedBlock(step, index)) {
                    return; // the caller takes this sequence back: it shares what a failed one did not write
                }
                throw violated(
                        line,
                        "reads position " + position + " from block " + line.blocks[position / blockSize]
                                + ", which holds something else");
            }
        }
        if (line.samples()) {
            int token = nextToken(history, spec.vocabularySize());
            int alternatives = line.sampling.logprobs();
            result.addToken(index, token, alternatives < 0 ? null : logprobs(token, alternatives));
        }
    }

    private boolean lacksLoad(ScheduledSequence line) {
        for (int i = 0; i < line.blockCount; i++) {
            if (copies.isMissing(line.blocks[i])) {
                return true;
            }
        }
        return false;
    }

    /** The sampled token first, then its neighbours, each half as likely as the one before. */
    private TokenLogprobs logprobs(int token, int count) {
        int[] ids = new int[Math.min(count, spec.vocabularySize())];
        float[] values = new float[ids.length];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = (token + i) % spec.vocabularySize();
            values[i] = (i + 1) * LOG_HALF;
        }
        return new TokenLogprobs(LOG_HALF, ids, values);
    }

    private static boolean sharesFailedBlock(SimulatedStep step, int index) {
        ScheduledSequence line = step.plan.get(index);
        StepResult result = step.result;
        for (int i = 0; i < index; i++) {
            ScheduledSequence other = step.plan.get(i);
            for (int block = 0;
                    result.failure(i) != null && block < Math.min(line.blockCount, other.blockCount);
                    block++) {
                if (line.blocks[block] == other.blocks[block]) {
                    return true;
                }
            }
        }
        return false;
    }

    private int slot(ScheduledSequence line, int position) {
        return line.blocks[position / blockSize] * blockSize + position % blockSize;
    }

    private ExecutorException violated(ScheduledSequence line, String problem) {
        return violated("sequence " + line.sequence + ": " + problem);
    }

    private ExecutorException violated(String message) {
        if (violation == null) {
            violation = message;
        }
        return new ExecutorException(ExecutorException.Scope.STEP, message);
    }

    private void requireOpen() {
        if (closed) {
            throw new ExecutorException(ExecutorException.Scope.DEVICE, "the simulated executor is closed");
        }
    }

    /** What the simulated memory holds in one slot: {@link #history} of what was written there, 0 if nothing was. */
    public long slot(int block, int offset) {
        return slots[block * blockSize + offset];
    }

    /** The tag of a history, {@code tokens[0..tokenCount)}, as the model computes it that the engine starts with. */
    public static long history(int[] tokens, int tokenCount) {
        return history(tokens, tokenCount, 0);
    }

    /** As above, after so many changes of the model. */
    public static long history(int[] tokens, int tokenCount, int weights) {
        long history = origin(weights);
        for (int i = 0; i < tokenCount; i++) {
            history = extend(history, tokens[i]);
        }
        return history;
    }

    /** The token that follows a history: what an answer must be, computed without any scheduler. */
    public static int nextToken(int[] tokens, int tokenCount, int vocabularySize) {
        return nextToken(tokens, tokenCount, vocabularySize, 0);
    }

    /** As above, after so many changes of the model. */
    public static int nextToken(int[] tokens, int tokenCount, int vocabularySize, int weights) {
        return nextToken(history(tokens, tokenCount, weights), vocabularySize);
    }

    private static long origin(int weights) {
        return weights == 0 ? 0 : mix(weights);
    }

    private static int nextToken(long history, int vocabularySize) {
        return (int) Long.remainderUnsigned(mix(history ^ 0x9E3779B97F4A7C15L), vocabularySize);
    }

    private static long extend(long history, int token) {
        long next = mix(history + 0x632BE59BD9B4E019L * (token + 1L));
        return next == UNWRITTEN ? 1 : next;
    }

    /** The finaliser of SplitMix64 (Steele, Lea, Flood): every input bit reaches every output bit. */
    private static long mix(long z) {
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }

    @Override
    public void close() {
        closed = true;
    }
}
