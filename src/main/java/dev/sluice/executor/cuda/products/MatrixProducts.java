package dev.sluice.executor.cuda.products;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.cuda.driver.CudaStream;
import dev.sluice.executor.cuda.driver.KernelArguments;
import dev.sluice.executor.cuda.kernels.CudaKernels;
import dev.sluice.executor.cuda.kernels.ElementFormat;
import dev.sluice.executor.cuda.kernels.Epilogue;
import dev.sluice.executor.cuda.kernels.LoadedTile;
import dev.sluice.executor.cuda.kernels.ProductTile;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * C[M, N] = A[M, K] * W[N, K]^T by one of the kernels for the formats of A, W and C: by the one that was measured to be the
 * fastest for such weights and so many rows, else by rule.
 */
public final class MatrixProducts {

    /**
     * Numbers of rows that are told apart: a choice is for all between the bucket before and its own number. Those of
     * {@code DecodeGraphs} up to 256 are among them.
     */
    private static final int[] BUCKETS = {
        1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 160, 192, 224, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144,
        8192, 12_288, 16_384
    };

    private static final Logger log = LoggerFactory.getLogger(MatrixProducts.class);

    /**
     * What was chosen for weights of one shape and results of one kind, by bucket.
     *
     * @param libraries what is still faster for just the rows of the bucket
     */
    @SuppressWarnings("ArrayRecordComponent") // read in every step
    private record Choice(
            int n,
            int k,
            ElementFormat format,
            Epilogue epilogue,
            @Nullable TileProduct[] kernels,
            @Nullable ProductKernel[] libraries) {}

    private final int multiprocessors;
    private final Map<ElementFormat, Map<Epilogue, List<TileProduct>>> kernels = new EnumMap<>(ElementFormat.class);
    private final List<Choice> choices = new ArrayList<>();

    public MatrixProducts(CudaKernels loaded, CudaStream stream, Arena arena) {
        multiprocessors = stream.context().device().multiprocessors();
        KernelArguments arguments = new KernelArguments(arena);
        TensorMaps maps = new TensorMaps(stream.context(), arena);
        for (ElementFormat format : loaded.formats()) {
            Map<Epilogue, List<TileProduct>> byEpilogue = new EnumMap<>(Epilogue.class);
            loaded.products(format)
                    .forEach((epilogue, tiles) -> byEpilogue.put(epilogue, products(tiles, stream, arguments, maps)));
            kernels.put(format, byEpilogue);
        }
    }

    private static List<TileProduct> products(
            List<LoadedTile> loaded, CudaStream stream, KernelArguments arguments, TensorMaps maps) {
        return loaded.stream()
                .map(kernel -> new TileProduct(kernel, stream, arguments, maps))
                .toList();
    }

    /**
     * Results in 16 bits.
     *
     * @param c address of the result
     * @param a its first rows are multiplied
     */
    public void run(long c, DeviceMatrix a, DeviceMatrix w, int rows) {
        launch(c, a, w, rows, Epilogue.HALF);
    }

    /** Results in 32 bits, of operands of 16. */
    public void logits(long c, DeviceMatrix a, DeviceMatrix w, int rows) {
        launch(c, a, w, rows, Epilogue.FLOAT);
    }

    /** What the gates of the feed-forward network let through, see {@link Epilogue#SILU_MUL}. */
    public void gated(long c, DeviceMatrix a, DeviceMatrix w, int rows) {
        launch(c, a, w, rows, Epilogue.SILU_MUL);
    }

    private void launch(long c, DeviceMatrix a, DeviceMatrix w, int m, Epilogue epilogue) {
        if (a.format() != w.format() || a.columns() != w.columns()) {
            throw new IllegalArgumentException(a + " cannot be multiplied by " + w);
        }
        Choice choice = choice(w, epilogue);
        int bucket = bucket(m);
        if (choice != null && launchLibrary(choice, bucket, c, a, w, m)) {
            return;
        }
        TileProduct chosen = choice == null ? null : choice.kernels[bucket];
        (chosen != null && chosen.suits(m) ? chosen : byRule(w, m, epilogue)).launch(c, a, w, m);
    }

    /** False if it has to be computed by us. What has failed once is not asked again. */
    private static boolean launchLibrary(Choice choice, int bucket, long c, DeviceMatrix a, DeviceMatrix w, int m) {
        ProductKernel library = choice.libraries[bucket];
        if (library == null || !library.suits(m)) {
            return false;
        }
        try {
            library.launch(c, a, w, m);
            return true;
        } catch (ExecutorException e) {
            if (e.scope() == ExecutorException.Scope.DEVICE) {
                throw e;
            }
            log.warn("{} is left out for {} rows: {}", library.name(), m, e.getMessage());
            choice.libraries[bucket] = null;
            return false;
        }
    }

    private @Nullable Choice choice(DeviceMatrix w, Epilogue epilogue) {
        for (int i = 0; i < choices.size(); i++) {
            Choice choice = choices.get(i);
            if (choice.n == w.rows()
                    && choice.k == w.columns()
                    && choice.format == w.format()
                    && choice.epilogue == epilogue) {
                return choice;
            }
        }
        return null;
    }

    private static int bucket(int m) {
        int bucket = 0;
        while (bucket < BUCKETS.length - 1 && BUCKETS[bucket] < m) {
            bucket++;
        }
        return bucket;
    }

    /**
     * The largest tile that still leaves a block to every multiprocessor, else the smallest; where one tile holds all rows, of
     * those with the fewest rows, which leave the most shared memory for weights that are on their way.
     */
    TileProduct byRule(DeviceMatrix w, int m, Epilogue epilogue) {
        List<TileProduct> own = own(w.format(), epilogue);
        int enough = Integer.MAX_VALUE;
        for (TileProduct kernel : own) {
            ProductTile tile = kernel.tile();
            if (tile.suits(m) && tile.rows() >= m) {
                enough = Math.min(enough, tile.rows());
            }
        }
        TileProduct largest = null;
        TileProduct smallest = null;
        for (TileProduct kernel : own) {
            ProductTile tile = kernel.tile();
            if (!tile.suits(m) || tile.rows() > enough) {
                continue;
            }
            if (smallest == null || tile.area() < smallest.tile().area()) {
                smallest = kernel;
            }
            boolean fills = tile.tiles(m, w.rows()) >= multiprocessors;
            if (fills && (largest == null || tile.area() > largest.tile().area())) {
                largest = kernel;
            }
        }
        TileProduct chosen = largest == null ? smallest : largest;
        if (chosen == null) {
            throw new IllegalArgumentException("no kernel for " + m + " rows of " + w.format() + ", " + epilogue);
        }
        return chosen;
    }

    /** Our own kernels for such operands and results. */
    List<TileProduct> own(ElementFormat format, Epilogue epilogue) {
        return kernels.getOrDefault(format, Map.of()).getOrDefault(epilogue, List.of());
    }

    /** The numbers of rows that choices are made for, up to the first that is enough for so many. */
    static int[] buckets(int rowsMax) {
        return Arrays.copyOf(BUCKETS, bucket(rowsMax) + 1);
    }

    /**
     * From now on this kernel serves such weights, for the rows of one bucket.
     *
     * @param library what serves the rows that it suits instead
     */
    void choose(
            DeviceMatrix w, Epilogue epilogue, int bucketRows, TileProduct kernel, @Nullable ProductKernel library) {
        Choice choice = choice(w, epilogue);
        if (choice == null) {
            choice = new Choice(
                    w.rows(),
                    w.columns(),
                    w.format(),
                    epilogue,
                    new TileProduct[BUCKETS.length],
                    new ProductKernel[BUCKETS.length]);
            choices.add(choice);
        }
        choice.kernels[bucket(bucketRows)] = kernel;
        choice.libraries[bucket(bucketRows)] = library;
    }
}
