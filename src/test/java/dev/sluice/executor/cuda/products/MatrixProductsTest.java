package dev.sluice.executor.cuda.products;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.cuda.FakeCublasLt;
import dev.sluice.executor.cuda.FakeCuda;
import dev.sluice.executor.cuda.TestGpu;
import dev.sluice.executor.cuda.driver.CudaContext;
import dev.sluice.executor.cuda.driver.CudaStream;
import dev.sluice.executor.cuda.driver.DeviceBuffer;
import dev.sluice.executor.cuda.driver.PinnedBuffer;
import dev.sluice.executor.cuda.kernels.CudaKernels;
import dev.sluice.executor.cuda.kernels.ElementFormat;
import dev.sluice.executor.cuda.kernels.Epilogue;
import dev.sluice.executor.cuda.kernels.HalfType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which kernel computes a product: by rule, by measurement, and by cuBLASLt only if its bits are ours. */
class MatrixProductsTest {

    private static final int ROWS = 4;
    private static final int N = 72;
    private static final int K = 88;

    private final Random random = new Random(17);
    private final Arena host = Arena.ofShared();
    private FakeCuda cuda;
    private FakeCublasLt library;
    private CudaContext context;
    private CudaStream stream;
    private MatrixProducts products;
    private DeviceMatrix a;
    private DeviceMatrix w;
    private DeviceBuffer c;
    private @Nullable CublasLt cublas;

    @BeforeEach
    void onAHopper() {
        assumeTrue(!TestGpu.isReal(), "the machine's own GPU cannot be told what it is");
        TestGpu gpu = TestGpu.fresh();
        FakeCublasLt fresh = FakeCublasLt.fresh();
        assumeTrue(gpu != null && fresh != null, TestGpu.MISSING);
        cuda = Objects.requireNonNull(gpu.fake());
        library = fresh;
        open(gpu, 90);
    }

    private void open(TestGpu gpu, int capability) {
        cuda.capability(capability);
        context = gpu.context();
        stream = CudaStream.create(context, 0);
        CudaKernels kernels = new CudaKernels(context, gpu.images(), HalfType.BF16, 64, ElementFormat.HALF);
        products = new MatrixProducts(kernels, stream, host);
        a = new DeviceMatrix(numbers(ROWS, 64), ROWS, K, ElementFormat.HALF, 0);
        w = new DeviceMatrix(numbers(N, -64), N, K, ElementFormat.HALF, 0);
        c = DeviceBuffer.allocate(context, 4L * ROWS * N);
    }

    @AfterEach
    void everythingIsGivenBack() {
        if (context == null) {
            return;
        }
        if (cublas != null) {
            cublas.close();
        }
        context.close();
        host.close();
        assertThat(library.alive()).isZero();
        assertThat(cuda.live()).isZero();
    }

    /** Small numbers; the first of a row and the last but two are large, and their products cancel: order matters. */
    private long numbers(int rows, float last) {
        DeviceBuffer buffer = DeviceBuffer.allocate(context, 2L * rows * K);
        try (PinnedBuffer pinned = PinnedBuffer.allocate(context, buffer.bytes())) {
            for (int i = 0; i < rows * K; i++) {
                float value = i % K == 0 ? 64 : i % K == K - 3 ? last : random.nextFloat() - 0.5f;
                pinned.memory().setAtIndex(ValueLayout.JAVA_SHORT, i, HalfType.BF16.of(value));
            }
            stream.toDevice(pinned.memory(), buffer.address());
            stream.synchronize();
        }
        return buffer.address();
    }

    private byte[] result(int bytes) {
        try (PinnedBuffer pinned = PinnedBuffer.allocate(context, bytes)) {
            MemorySegment memory = pinned.memory();
            stream.toHost(c.address(), memory);
            stream.synchronize();
            return memory.toArray(ValueLayout.JAVA_BYTE);
        }
    }

    private CublasLt cublas() {
        CublasLt made = cublas;
        if (made == null) {
            made = new CublasLt(FakeCublasLt.library(), stream, 1 << 10);
            cublas = made;
        }
        return made;
    }

    private void tune() {
        ProductTuning.Use logits = new ProductTuning.Use(c.address(), a, List.of(w), Epilogue.FLOAT);
        new ProductTuning(products, stream, HalfType.BF16, cublas()).run(List.of(logits));
    }

    @ParameterizedTest
    @CsvSource({
        "1, 6144, wgmma_8x32",
        "8, 28672, wgmma_8x32",
        "9, 6144, wgmma_64x32",
        "64, 6144, wgmma_64x32",
        "64, 28672, wgmma_64x128",
        "512, 6144, wgmma_128x128",
        "512, 7168, wgmma_128x192",
        "4096, 4096, wgmma_128x256",
        "70, 40, wgmma_64x32"
    })
    void theLargestTileThatFillsTheDevice(int m, int n, String kernel) {
        assertThat(context.device().multiprocessors()).isEqualTo(132);
        DeviceMatrix weights = new DeviceMatrix(w.address(), n, K, ElementFormat.HALF, 0);
        assertThat(products.byRule(weights, m, Epilogue.HALF).name()).isEqualTo(kernel);
    }

    /** Two tiles down; one across for the widest, whose clusters then have a block without a tile, else two. */
    @Test
    void allTilesGiveTheSameBitsAndPairsRunInWholeClusters() {
        int rows = 131;
        int n = 200;
        DeviceMatrix many = new DeviceMatrix(numbers(rows, 64), rows, K, ElementFormat.HALF, 0);
        DeviceMatrix wide = new DeviceMatrix(numbers(n, -64), n, K, ElementFormat.HALF, 0);
        byte[] first = null;
        for (TileProduct kernel : products.own(ElementFormat.HALF, Epilogue.HALF)) {
            if (kernel.suits(rows)) {
                c = DeviceBuffer.allocate(context, 2L * rows * n); // in which nothing is left of others
                kernel.launch(c.address(), many, wide, rows);
                byte[] result = result(2 * rows * n);
                first = first == null ? result : first;
                assertThat(result).as(kernel.name()).isEqualTo(first);
            }
        }
        assertThat(cuda.log())
                .contains("gemm_wgmma_128x256_bf16 grid 2x1x1")
                .contains("gemm_wgmma_128x128_pair_bf16 grid 4x1x1")
                .contains("gemm_wgmma_128x192_pair_bf16 grid 4x1x1")
                .contains("gemm_wgmma_128x256_pair_bf16 grid 4x1x1");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 4})
    void ourKernelsAndCublasLtGiveTheSameBits(int m) {
        products.run(c.address(), a, w, m);
        byte[] ours = result(2 * m * N);
        Objects.requireNonNull(cublas().product(HalfType.BF16, false, ROWS, N, K))
                .run(c.address(), a.address(), w.address(), m);
        assertThat(result(2 * m * N)).isEqualTo(ours);
        products.logits(c.address(), a, w, m);
        byte[] logits = result(4 * m * N);
        Objects.requireNonNull(cublas().product(HalfType.BF16, true, m, N, K))
                .run(c.address(), a.address(), w.address(), m);
        assertThat(result(4 * m * N)).isEqualTo(logits);
    }

    @ParameterizedTest
    @CsvSource({"16, false, 1", "8, false, 0", "17, false, 0", "88, false, 0", "16, true, 0"})
    void cublasLtIsChosenIfItIsFasterAndItsBitsAreOurs(int step, boolean findsNothing, int runs) {
        // On the fake device's clock every launch takes time, and what the library does takes none.
        library.behave(step, findsNothing, 0);
        tune();
        int before = library.runs();
        products.logits(c.address(), a, w, 3); // a number of rows that was not compared
        assertThat(library.runs()).isEqualTo(before);
        products.logits(c.address(), a, w, 4);
        assertThat(library.runs() - before).isEqualTo(runs);
    }

    @Test
    void theFusedGateIsMeasuredWithoutCublasLt() {
        DeviceMatrix gateUp = new DeviceMatrix(w.address(), 64, K, ElementFormat.HALF, 0);
        ProductTuning.Use gate = new ProductTuning.Use(c.address(), a, List.of(gateUp), Epilogue.SILU_MUL);
        new ProductTuning(products, stream, HalfType.BF16, cublas()).run(List.of(gate));
        products.gated(c.address(), a, gateUp, ROWS);
        byte[] ofAll = result(2 * ROWS * 32);
        products.gated(c.address(), a, gateUp, 1);
        assertThat(result(2 * 32)).isEqualTo(Arrays.copyOf(ofAll, 2 * 32));
        assertThat(library.runs()).isZero();
        assertThat(cuda.log()).contains("gemm_wgmma_8x32_bf16_silu_mul ").contains("gemm_wgmma_64x128_bf16_silu_mul ");
    }

    @Test
    void whatFailsOnceIsComputedByUsFromThenOn() {
        tune();
        products.logits(c.address(), a, w, 4);
        byte[] result = result(4 * ROWS * N);
        library.behave(16, false, 13);
        products.logits(c.address(), a, w, 4);
        library.behave(16, false, 0);
        products.logits(c.address(), a, w, 4);
        assertThat(library.runs()).isZero();
        assertThat(result(4 * ROWS * N)).isEqualTo(result);
    }

    @Test
    void cublasLtIsLeftOutIfItFails() {
        library.behave(16, false, 13);
        tune();
        products.logits(c.address(), a, w, 3);
        CublasLt.Product product = Objects.requireNonNull(cublas().product(HalfType.BF16, false, ROWS, N, K));
        assertThatThrownBy(() -> product.run(c.address(), a.address(), w.address(), 3))
                .isInstanceOf(ExecutorException.class)
                .hasMessage("cublasLtMatmul failed with status 13");
    }

    @Test
    void anotherFormatIsNotAsked() {
        assertThat(cublas().product(HalfType.FP16, false, ROWS, N, K)).isNull();
    }

    @Test
    void operandsThatDoNotFitAreRefused() {
        DeviceMatrix other = new DeviceMatrix(w.address(), N, K + 8, ElementFormat.HALF, 0);
        assertThatThrownBy(() -> products.run(c.address(), a, other, 1)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void aMatrixIsDescribedOnce() {
        products.run(c.address(), a, w, 3);
        products.run(c.address(), a, w, 4);
        assertThat(cuda.log().lines().filter(call -> call.startsWith("cuTensorMapEncodeTiled")))
                .hasSize(2);
    }

    @Test
    void onOtherDevicesFewRowsHaveKernelsOfTheirOwn() {
        open(Objects.requireNonNull(TestGpu.fresh()), 80);
        assertThat(products.byRule(w, 8, Epilogue.HALF).name()).isEqualTo("skinny8");
        assertThat(products.byRule(w, 16, Epilogue.FLOAT).name()).isEqualTo("skinny16");
        assertThat(products.byRule(w, 17, Epilogue.HALF).name()).isEqualTo("64x64");
        DeviceMatrix wide = new DeviceMatrix(w.address(), 28_672, K, ElementFormat.HALF, 0);
        assertThat(products.byRule(wide, 128, Epilogue.HALF).name()).isEqualTo("128x128");
        assertThat(products.own(ElementFormat.HALF, Epilogue.SILU_MUL)).isEmpty();
    }
}
