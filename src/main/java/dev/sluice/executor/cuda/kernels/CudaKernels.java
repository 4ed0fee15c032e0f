package dev.sluice.executor.cuda.kernels;

import dev.sluice.executor.cuda.driver.CudaContext;
import dev.sluice.executor.cuda.driver.CudaDevice;
import dev.sluice.executor.cuda.driver.CudaFunction;
import dev.sluice.executor.cuda.driver.CudaModule;
import dev.sluice.executor.cuda.driver.CudaUnavailableException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The kernels that one model needs, loaded onto the device: of its format, and of its size of heads. */
public final class CudaKernels {

    /** Sizes of heads that the attention kernels are compiled for. */
    private static final List<Integer> BF16_HEAD_DIMS = List.of(16, 32, 64, 128);

    private static final List<Integer> FP16_HEAD_DIMS = List.of(64, 128);
    private static final int WIDE_HEAD_DIM_MIN = 64; // in which four warps find 16 dimensions each

    // Dynamic shared memory as the kernels' own comments state it.
    private static final int DECODE_SHARED_PER_ELEMENT = 768;
    private static final int PREFILL_SHARED_PER_ELEMENT = 768;
    private static final List<Integer> WGMMA_PREFILL_HEAD_DIMS = List.of(64, 128);
    private static final int WGMMA_PREFILL_SHARED_PER_ELEMENT = 1280;
    private static final int WGMMA_PREFILL_SHARED_LESS = 16_224;

    /**
     * What writes rows in one format.
     *
     * @param quantiseRows from 16 bits; null in the format of 16 bits
     */
    public record RowKernels(
            CudaFunction rmsNorm,
            CudaFunction addRmsNorm,
            CudaFunction siluMul,
            @Nullable CudaFunction quantiseRows) {}

    public final CudaFunction embed;
    public final CudaFunction ropeAndCache;
    public final CudaFunction decode;
    public final @Nullable CudaFunction decodeWide; // null for heads too small for it
    public final CudaFunction reduce;
    public final PrefillKernel prefill;
    public final @Nullable PrefillKernel wgmmaPrefill;
    public final CudaFunction adjustLogits;
    public final CudaFunction recordTokens;
    public final CudaFunction sampleGreedy;
    public final CudaFunction sample;
    public final CudaFunction logprobs;
    private final Map<ElementFormat, Map<Epilogue, List<LoadedTile>>> products = new EnumMap<>(ElementFormat.class);
    private final Map<ElementFormat, RowKernels> rows = new EnumMap<>(ElementFormat.class);

    /**
     * @param linear format of linear layers, beside 16 bits
     * @throws CudaUnavailableException if there are no kernels for such heads
     */
    public CudaKernels(CudaContext context, KernelImages images, HalfType type, int headDim, ElementFormat linear) {
        List<Integer> headDims = type == HalfType.BF16 ? BF16_HEAD_DIMS : FP16_HEAD_DIMS;
        if (!headDims.contains(headDim)) {
            throw new CudaUnavailableException(
                    "the CUDA executor has attention kernels for heads of " + headDims + " elements in " + type.suffix()
                            + ", not " + headDim,
                    null);
        }
        String suffix = "_" + type.suffix();
        embed = load(context, images, "embed").function("embed_16bit", 0);
        ropeAndCache = load(context, images, "rope_and_cache").function("rope_and_cache" + suffix, 0);
        CudaModule decoding = load(context, images, "paged_attention_decode");
        int decodeBytes = DECODE_SHARED_PER_ELEMENT * headDim;
        decode = decoding.function("paged_attention_decode" + suffix + "_" + headDim, decodeBytes);
        decodeWide = headDim < WIDE_HEAD_DIM_MIN
                ? null
                : decoding.function("paged_attention_decode_wide" + suffix + "_" + headDim, decodeBytes);
        reduce = decoding.function("paged_attention_reduce" + suffix, 0);
        prefill = PrefillKernel.ofOneWarp(load(context, images, "paged_attention_prefill")
                .function("paged_attention_prefill" + suffix + "_" + headDim, PREFILL_SHARED_PER_ELEMENT * headDim));
        CudaModule penalties = load(context, images, "penalties");
        adjustLogits = penalties.function("adjust_logits", 0);
        recordTokens = penalties.function("record_tokens", 0);
        CudaModule sampling = load(context, images, "sample");
        sampleGreedy = sampling.function("sample_greedy", 0);
        sample = sampling.function("sample", 0);
        logprobs = load(context, images, "logprobs").function("logprobs", 0);
        // One family for all numbers of rows: the other one adds in another order.
        boolean wgmma = context.device().hasWgmma();
        wgmmaPrefill = wgmma && WGMMA_PREFILL_HEAD_DIMS.contains(headDim)
                ? PrefillKernel.ofFourWarps(load(context, images, "paged_attention_prefill_wgmma")
                        .function(
                                "paged_attention_prefill_wgmma" + suffix + "_" + headDim,
                                WGMMA_PREFILL_SHARED_PER_ELEMENT * headDim - WGMMA_PREFILL_SHARED_LESS))
                : null;
        CudaModule tiled = load(context, images, wgmma ? "gemm_wgmma" : "gemm");
        CudaModule skinny = wgmma ? tiled : load(context, images, "gemm_skinny");
        CudaModule norm = load(context, images, "rms_norm");
        CudaModule gate = load(context, images, "silu_mul");
        rows.put(ElementFormat.HALF, rows(norm, gate, suffix, null));
        Map<Epilogue, List<LoadedTile>> half = new EnumMap<>(Epilogue.class);
        for (Epilogue epilogue : Epilogue.values()) {
            if (epilogue != Epilogue.SILU_MUL || hasFusedGate(context.device())) {
                half.put(epilogue, products(wgmma, ElementFormat.HALF, skinny, tiled, suffix + epilogue.suffix()));
            }
        }
        products.put(ElementFormat.HALF, half);
        if (linear.isScaled()) {
            String scaled = "_" + linear.label() + suffix;
            CudaModule quantise = load(context, images, "quantise_" + linear.label());
            rows.put(linear, rows(quantise, quantise, scaled, quantise.function("quantise_rows" + scaled, 0)));
            CudaModule gemm = load(context, images, (wgmma ? "gemm_wgmma_" : "gemm_") + linear.label());
            products.put(linear, Map.of(Epilogue.HALF, products(wgmma, linear, gemm, gemm, scaled)));
        }
    }

    /** The device has products in 16 bits with {@link Epilogue#SILU_MUL}. */
    public static boolean hasFusedGate(CudaDevice device) {
        return device.hasWgmma();
    }

    /** Those that there are products for. */
    public Set<ElementFormat> formats() {
        return products.keySet();
    }

    /** The products of operands of one format. */
    public Map<Epilogue, List<LoadedTile>> products(ElementFormat format) {
        return Objects.requireNonNull(products.get(format));
    }

    public RowKernels rows(ElementFormat format) {
        return Objects.requireNonNull(rows.get(format));
    }

    private static RowKernels rows(
            CudaModule norm, CudaModule gate, String suffix, @Nullable CudaFunction quantiseRows) {
        return new RowKernels(
                norm.function("rms_norm" + suffix, 0),
                norm.function("add_rms_norm" + suffix, 0),
                gate.function("silu_mul" + suffix, 0),
                quantiseRows);
    }

    private static CudaModule load(CudaContext context, KernelImages images, String file) {
        return images.load(context, file);
    }

    /** @param skinny the module of kernels for few rows, if they are kernels of their own */
    private static List<LoadedTile> products(
            boolean wgmma, ElementFormat format, CudaModule skinny, CudaModule tiled, String suffix) {
        List<LoadedTile> loaded = new ArrayList<>();
        if (wgmma) {
            load(tiled, format == ElementFormat.FP8 ? ProductTile.WGMMA_FP8 : ProductTile.WGMMA, suffix, loaded);
        } else {
            load(skinny, ProductTile.SKINNY, suffix, loaded);
            load(tiled, ProductTile.TILED, suffix, loaded);
        }
        return List.copyOf(loaded);
    }

    private static void load(CudaModule module, List<ProductTile> tiles, String suffix, List<LoadedTile> loaded) {
        for (ProductTile tile : tiles) {
            CudaFunction function = module.function("gemm_" + tile.name() + suffix, tile.sharedBytes());
            loaded.add(new LoadedTile(tile, function));
        }
    }
}
