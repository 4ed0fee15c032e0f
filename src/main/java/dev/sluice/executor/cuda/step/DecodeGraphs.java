package dev.sluice.executor.cuda.step;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.cuda.driver.CudaGraph;
import dev.sluice.executor.cuda.driver.CudaStream;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Passes that only decode, as recorded graphs: one call instead of some hundred launches. Their sizes are rounded up to a
 * bucket, of rows and of blocks per sequence, so that few graphs serve all; rows too many are marked as unused.
 */
public final class DecodeGraphs {

    private static final Logger log = LoggerFactory.getLogger(DecodeGraphs.class);
    private static final int SKINNY_MAX = 16; // rows up to which matrix products have kernels of their own
    private static final int FINE_STEP = 16;
    private static final int FINE_MAX = 64;
    private static final int COARSE_STEP = 32;
    private static final int WIDTH_MIN = 16;

    private final PassLimits limits;
    private final CudaStream stream;
    private final CudaForward forward;
    private final Map<PassLayout, CudaGraph> graphs = new HashMap<>();
    private final Set<PassLayout> seen = new HashSet<>();
    private final Set<PassLayout> unrecordable = new HashSet<>();

    public DecodeGraphs(PassLimits limits, CudaStream stream, CudaForward forward) {
        this.limits = limits;
        this.stream = stream;
        this.forward = forward;
    }

    /** The bucket of a pass that only decodes. */
    public PassLayout bucket(CudaPass pass) {
        int rows = rows(pass.rows());
        return new PassLayout(rows, rows, 0, width(pass.width()), rows);
    }

    private int rows(int rows) {
        int up;
        if (rows <= SKINNY_MAX) {
            up = powerOfTwo(rows);
        } else {
            int step = rows <= FINE_MAX ? FINE_STEP : COARSE_STEP;
            up = Math.ceilDiv(rows, step) * step;
        }
        return Math.min(up, limits.lines());
    }

    private int width(int width) {
        return Math.min(Math.max(WIDTH_MIN, powerOfTwo(width)), Math.max(width, limits.width()));
    }

    private static int powerOfTwo(int least) {
        return least <= 1 ? 1 : Integer.highestOneBit(least - 1) << 1;
    }

    /** Runs the layers and the logits of all rows. The first time step by step: it may never be asked for again. */
    public void run(PassLayout bucket) {
        CudaGraph graph = seen.add(bucket) || unrecordable.contains(bucket) ? null : graph(bucket);
        if (graph == null) {
            forward.run(bucket, 0, bucket.samples());
        } else {
            graph.launch(stream);
        }
    }

    /** Null if it cannot be recorded, for lack of memory or of an able driver: then it is run step by step for ever. */
    private @Nullable CudaGraph graph(PassLayout bucket) {
        CudaGraph graph = graphs.get(bucket);
        if (graph == null) {
            try {
                graph = stream.capture(() -> forward.run(bucket, 0, bucket.samples()));
                graphs.put(bucket, graph);
            } catch (ExecutorException e) {
                if (e.scope() == ExecutorException.Scope.DEVICE) {
                    throw e;
                }
                log.warn("Steps of {} sequences are not recorded as a graph: {}", bucket.rows(), e.getMessage());
                unrecordable.add(bucket);
            }
        }
        return graph;
    }
}
