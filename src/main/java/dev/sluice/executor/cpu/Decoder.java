package dev.sluice.executor.cpu;

import dev.sluice.executor.ScheduledSequence;
import dev.sluice.executor.StepPlan;
import dev.sluice.kv.KvLayout;
import dev.sluice.model.ModelSpec;
import dev.sluice.model.WeightMap;
import java.lang.foreign.Arena;

/**
 * The transformer: turns the positions of a step into logits for the sequences that sample.
 *
 * <p>All positions of all sequences, prefill chunks and single decode tokens alike, are the rows of one batch. Each layer
 * first writes the keys and values of all rows, then lets all rows attend: so a sequence may already share blocks that
 * another one fills in the same step. Buffers grow to the largest batch seen and are then reused.
 */
final class Decoder {

    private final ModelSpec model;
    private final DecoderWeights weights;
    private final KvArena kv;
    private final PagedAttention attention;
    private final RopeTable rope;
    private final WorkerPool workers;
    private final Gemm gemm;
    private final PagedAttention.Scratch[] scratch;
    private final Rows rows;

    Decoder(ModelSpec model, WeightMap weightMap, KvLayout layout, WorkerPool workers, Arena arena) {
        this.model = model;
        this.workers = workers;
        weights = new DecoderWeights(model, weightMap, arena);
        kv = new KvArena(model, layout, arena);
        attention = new PagedAttention(kv, model.groupSize(), model.slidingWindow());
        rope = new RopeTable(model.rope(), model.headDim());
        gemm = new Gemm(workers);
        scratch = new PagedAttention.Scratch[workers.members()];
        for (int i = 0; i < scratch.length; i++) {
            scratch[i] = new PagedAttention.Scratch(kv);
        }
        rows = new Rows(model, rope.width());
    }

    /** Floats from one row of logits to the next. */
    int logitsStride() {
        return rows.logitsStride;
    }

    /** Logits of the last step, a row for each sampling sequence in the order of the plan. */
    float[] logits() {
        return rows.logits;
    }

    /** Bytes that one decode step reads of the linear layers. */
    long linearBytes() {
        return weights.linearBytes();
    }

    /**
     * Computes a step. Lines for which {@code skip} is set are left out.
     *
     * @return number of rows of logits
     */
    int compute(StepPlan plan, boolean[] skip) {
        int count = rows.load(plan, skip);
        if (count == 0) {
            return 0;
        }
        workers.run((member, members) -> {
            for (int row = member; row < count; row += members) {
                weights.embed(rows.token[row], rows.x, row * rows.hidden);
                rope.fill(rows.position[row], rows.cosines, rows.sines, row * rope.width());
            }
        });
        for (int layer = 0; layer < model.layers(); layer++) {
            attentionBlock(weights.layers[layer], layer, count);
            feedForwardBlock(weights.layers[layer], count);
        }
        int sampling = rows.gatherSampling(plan, skip);
        for (int row = 0; row < sampling; row++) {
            int at = row * rows.hidden;
            VectorOps.rmsNorm(
                    rows.gathered,
                    at,
                    model.hiddenSize(),
                    weights.finalNorm,
                    model.rmsNormEps(),
                    rows.h,
                    at,
                    rows.lanes);
        }
        gemm.multiply(weights.head, rows.h, rows.hidden, sampling, rows.logits, rows.logitsStride);
        return sampling;
    }

    private void attentionBlock(DecoderWeights.Layer layer, int index, int count) {
        normalise(layer.inputNorm, count);
        gemm.multiply(layer.qkv, rows.h, rows.hidden, count, rows.qkv, rows.qkvStride);
        workers.run((member, members) -> {
            for (int row = member; row < count; row += members) {
                positionAndStore(layer, index, row, scratch[member].lanes);
            }
        });
        int units = count * model.kvHeads();
        workers.run((member, members) -> {
            for (int unit = member; unit < units; unit += members) {
                int row = unit / model.kvHeads();
                int kvHead = unit % model.kvHeads();
                int heads = kvHead * model.groupSize() * model.headDim();
                attention.attend(
                        rows.blocks[row],
                        rows.position[row],
                        index,
                        kvHead,
                        rows.qkv,
                        row * rows.qkvStride + heads,
                        rows.attended,
                        row * rows.attendedStride + heads,
                        scratch[member]);
            }
        });
        gemm.multiply(layer.output, rows.attended, rows.attendedStride, count, rows.y, rows.hidden);
        addResidual(count);
    }

    private void feedForwardBlock(DecoderWeights.Layer layer, int count) {
        normalise(layer.postNorm, count);
        gemm.multiply(layer.gateUp, rows.h, rows.hidden, count, rows.gateUp, rows.gateUpStride);
        int inner = model.intermediateSize();
        workers.run((member, members) -> {
            for (int row = member; row < count; row += members) {
                int gate = row * rows.gateUpStride;
                VectorOps.swiGlu(rows.gateUp, gate, gate + inner, rows.inner, row * rows.innerStride, inner);
            }
        });
        gemm.multiply(layer.down, rows.inner, rows.innerStride, count, rows.y, rows.hidden);
        addResidual(count);
    }

    private void positionAndStore(DecoderWeights.Layer layer, int index, int row, float[] lanes) {
        int at = row * rows.qkvStride;
        int headDim = model.headDim();
        int heads = model.heads();
        int kvHeads = model.kvHeads();
        for (int i = 0; i < layer.qkvBias.length; i++) {
            rows.qkv[at + i] += layer.qkvBias[i];
        }
        for (int head = 0; head < heads + kvHeads; head++) {
            int from = at + head * headDim;
            if (model.qkNorm()) {
                float[] norm = head < heads ? layer.queryNorm : layer.keyNorm;
                VectorOps.rmsNorm(rows.qkv, from, headDim, norm, model.rmsNormEps(), rows.qkv, from, lanes);
            }
            rope.rotate(rows.qkv, from, rows.cosines, rows.sines, row * rope.width());
        }
        int position = rows.position[row];
        int block = rows.blocks[row][position / kv.blockSize];
        for (int kvHead = 0; kvHead < kvHeads; kvHead++) {
            int key = at + (heads + kvHead) * headDim;
            attention.store(block, position % kv.blockSize, index, kvHead, rows.qkv, key, key + kvHeads * headDim);
        }
    }

    private void normalise(float[] norm, int count) {
        workers.run((member, members) -> {
            for (int row = member; row < count; row += members) {
                int at = row * rows.hidden;
                VectorOps.rmsNorm(
                        rows.x, at, model.hiddenSize(), norm, model.rmsNormEps(), rows.h, at, scratch[member].lanes);
            }
        });
    }

    private void addResidual(int count) {
        workers.run((member, members) -> {
            for (int row = member; row < count; row += members) {
                VectorOps.add(rows.y, row * rows.hidden, rows.x, row * rows.hidden, model.hiddenSize());
            }
        });
    }

    /** The activations of a step: one row for each position. */
    private static final class Rows {
        private static final int ROWS_STEP = 8; // what the wide kernels may overwrite

        final int hidden;
        final int qkvStride;
        final int attendedStride;
        final int gateUpStride;
        final int innerStride;
        final int logitsStride;
        private final int ropeWidth;
        private int capacity;
        private int samplingCapacity;
        int[] token = new int[0];
        int[] position = new int[0];
        int[][] blocks = new int[0][];
        float[] x = new float[0];
        float[] h = new float[0];
        float[] y = new float[0];
        float[] qkv = new float[0];
        float[] attended = new float[0];
        float[] gateUp = new float[0];
        float[] inner = new float[0];
        float[] cosines = new float[0];
        float[] sines = new float[0];
        float[] gathered = new float[0];
        float[] logits = new float[0];
        final float[] lanes = new float[Lanes.COUNT];

        Rows(ModelSpec model, int ropeWidth) {
            this.ropeWidth = ropeWidth;
            hidden = Lanes.padded(model.hiddenSize());
            qkvStride = Lanes.padded((model.heads() + 2 * model.kvHeads()) * model.headDim());
            attendedStride = Lanes.padded(model.heads() * model.headDim());
            // The up half starts right after the gate half; the last vector of it may read past its end.
            gateUpStride = Lanes.padded(2 * model.intermediateSize()) + Lanes.GROUP;
            innerStride = Lanes.padded(model.intermediateSize());
            logitsStride = Lanes.padded(model.vocabularySize());
        }

        int load(StepPlan plan, boolean[] skip) {
            reserve(plan.tokenCount(), plan.size());
            int row = 0;
            for (int i = 0; i < plan.size(); i++) {
                ScheduledSequence line = plan.get(i);
                for (int p = line.start; !skip[i] && p < line.start + line.count; p++) {
                    token[row] = line.tokens[p];
                    position[row] = p;
                    blocks[row] = line.blocks;
                    row++;
                }
            }
            return row;
        }

        /** Copies the last row of each sampling sequence to the front of {@code gathered}. */
        int gatherSampling(StepPlan plan, boolean[] skip) {
            int sampling = 0;
            int row = 0;
            for (int i = 0; i < plan.size(); i++) {
                ScheduledSequence line = plan.get(i);
                if (skip[i]) {
                    continue;
                }
                row += line.count;
                if (line.samples()) {
                    System.arraycopy(x, (row - 1) * hidden, gathered, sampling * hidden, hidden);
                    sampling++;
                }
            }
            return sampling;
        }

        private void reserve(int needed, int sampling) {
            if (needed > capacity) {
                capacity = Math.max(ROWS_STEP, Integer.highestOneBit(needed * 2 - 1));
                int padded = capacity + ROWS_STEP;
                token = new int[padded];
                position = new int[padded];
                blocks = new int[padded][];
                x = new float[padded * hidden];
                h = new float[padded * hidden];
                y = new float[padded * hidden];
                qkv = new float[padded * qkvStride];
                attended = new float[padded * attendedStride];
                gateUp = new float[padded * gateUpStride];
                inner = new float[padded * innerStride];
                cosines = new float[padded * ropeWidth];
                sines = new float[padded * ropeWidth];
            }
            if (sampling > samplingCapacity) {
                samplingCapacity = Math.max(ROWS_STEP, Integer.highestOneBit(sampling * 2 - 1));
                gathered = new float[(samplingCapacity + ROWS_STEP) * hidden];
                logits = new float[(samplingCapacity + ROWS_STEP) * logitsStride];
            }
        }
    }
}
