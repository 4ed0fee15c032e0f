package dev.sluice.executor.cpu;

import dev.sluice.kv.KvLayout;
import dev.sluice.model.ModelSpec;
import java.lang.foreign.Arena;
import org.jspecify.annotations.Nullable;

/**
 * The decoder: from token ids and block tables to logits. One description serves the whole Llama family.
 *
 * <p>All rows of a pass share every matrix product; only attention tells sequences apart. Keys and values of all rows
 * are written before any row of the layer attends, so sequences of one pass may share blocks.
 */
final class DecoderForward {

    private final ModelSpec spec;
    private final DecoderWeights weights;
    private final Workers workers;
    private final KvArena arena;
    private final Gemm gemm;
    private final Attention attention;
    private final RotaryAngles rotary;
    private final float queryScale;
    private final int attentionWidth;

    private final float[] hidden;
    private final float[] projected;
    private final float[] angles;
    private final PackedRows normed;
    private final PackedRows attended;
    private final PackedRows gated;
    private final PackedRows sampled;
    private final float[][] logits;

    private final Epilogue storeProjected;
    private final Epilogue addToHidden;
    private final Epilogue gate;
    private final Epilogue storeLogits;
    private final Workers.Job embedding = this::embed;
    private final Workers.Job normalizing = this::normalizeTile;
    private final Workers.Job rotating = this::rotateTile;

    private Pass pass;
    private LayerWeights layerWeights;
    private float[] norm = {};
    private int layer;

    /**
     * @param rowsMax rows in a pass
     * @param samplesMax rows whose logits are computed at a time
     */
    DecoderForward(
            ModelSpec spec,
            DecoderWeights weights,
            KvLayout layout,
            Arena memory,
            TensorOps ops,
            Workers workers,
            int rowsMax,
            int samplesMax) {
        this.spec = spec;
        this.weights = weights;
        this.workers = workers;
        int queries = spec.heads() * spec.headDim();
        attentionWidth = queries + 2 * spec.kvHeads() * spec.headDim();
        arena = new KvArena(spec, layout, memory);
        gemm = new Gemm(ops, workers, memory, Math.max(rowsMax, samplesMax));
        attention = new Attention(spec, arena, ops, workers, rowsMax, attentionWidth);
        rotary = new RotaryAngles(spec.rope(), spec.headDim());
        queryScale = (float) (1 / Math.sqrt(spec.headDim()));
        hidden = new float[Math.multiplyExact(rowsMax, spec.hiddenSize())];
        projected = new float[Math.multiplyExact(rowsMax, attentionWidth)];
        angles = new float[Math.multiplyExact(rowsMax, spec.headDim())];
        normed = new PackedRows(spec.hiddenSize(), rowsMax, ops.tileRows());
        attended = new PackedRows(queries, rowsMax, ops.tileRows());
        gated = new PackedRows(spec.intermediateSize(), rowsMax, ops.tileRows());
        sampled = new PackedRows(spec.hiddenSize(), samplesMax, ops.tileRows());
        logits = new float[samplesMax][spec.vocabularySize()];
        storeProjected = new Epilogue.Store(projected, attentionWidth);
        addToHidden = new Epilogue.Add(hidden, spec.hiddenSize());
        gate = new Epilogue.Gate(gated, spec.intermediateSize());
        storeLogits = new Epilogue.Spread(logits, spec.vocabularySize());
        pass = new Pass(0);
        layerWeights = weights.layers()[0];
    }

    KvArena arena() {
        return arena;
    }

    /** Takes all rows of a pass through all layers. */
    void run(Pass newPass) {
        pass = newPass;
        int rows = pass.rows();
        normed.begin(rows);
        attended.begin(rows);
        gated.begin(rows);
        attention.begin(pass);
        workers.run(normed.tiles(), embedding);
        for (layer = 0; layer < weights.layers().length; layer++) {
            layerWeights = weights.layers()[layer];
            normalize(layerWeights.attentionNorm());
            gemm.run(normed, layerWeights.attention(), storeProjected);
            workers.run(normed.tiles(), rotating);
            attention.run(layer, projected, attended);
            gemm.run(attended, layerWeights.attentionOutput(), addToHidden);
            normalize(layerWeights.feedForwardNorm());
            gemm.run(normed, layerWeights.feedForward(), gate);
            gemm.run(gated, layerWeights.feedForwardOutput(), addToHidden);
        }
    }

    /**
     * Logits of the pass's samples {@code [first, first + count)}; the arrays may be overwritten and are valid until
     * the next call.
     */
    float[][] logits(int first, int count) {
        sampled.begin(count);
        int size = spec.hiddenSize();
        for (int i = 0; i < count; i++) {
            int from = pass.sampledRow(first + i) * size;
            int height = sampled.stride(i);
            RowOps.normalize(
                    hidden, from, size, weights.norm(), spec.rmsNormEps(), sampled.data(), sampled.index(i), height);
        }
        gemm.run(sampled, weights.head(), storeLogits);
        return logits;
    }

    private void normalize(float[] weight) {
        norm = weight;
        workers.run(normed.tiles(), normalizing);
    }

    private void embed(int worker, int tile) {
        for (int row = normed.firstRow(tile); row < normed.endRow(tile); row++) {
            weights.embedding().row(pass.token(row), hidden, row * spec.hiddenSize());
            rotary.at(pass.position(row), angles, row * spec.headDim());
        }
    }

    private void normalizeTile(int worker, int tile) {
        int size = spec.hiddenSize();
        int stride = normed.height(tile);
        for (int row = normed.firstRow(tile); row < normed.endRow(tile); row++) {
            RowOps.normalize(
                    hidden, row * size, size, norm, spec.rmsNormEps(), normed.data(), normed.index(row), stride);
        }
    }

    private void rotateTile(int worker, int tile) {
        for (int row = normed.firstRow(tile); row < normed.endRow(tile); row++) {
            rotateRow(row);
        }
    }

    /** Finishes queries in place, and moves keys and values into the cache. */
    private void rotateRow(int row) {
        int size = spec.headDim();
        int half = size / 2;
        int at = row * attentionWidth;
        int angle = row * size;
        for (int head = 0; head < spec.heads(); head++, at += size) {
            normalizeHead(at, layerWeights.queryNorm());
            RowOps.rotate(projected, at, half, angles, angle, queryScale);
        }
        int position = pass.position(row);
        int block = pass.blocksOfRow(row)[position / arena.blockSize()];
        int slot = position % arena.blockSize();
        int values = at + spec.kvHeads() * size;
        for (int head = 0; head < spec.kvHeads(); head++, at += size, values += size) {
            normalizeHead(at, layerWeights.keyNorm());
            RowOps.rotate(projected, at, half, angles, angle, 1);
            arena.write(layer, head, block, slot, projected, at, values);
        }
    }

    private void normalizeHead(int at, float @Nullable [] weight) {
        if (weight != null) {
            RowOps.normalize(projected, at, spec.headDim(), weight, spec.rmsNormEps(), projected, at, 1);
        }
    }
}
