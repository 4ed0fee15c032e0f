package dev.sluice.executor.cuda.step;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.cuda.driver.CudaContext;
import dev.sluice.executor.cuda.driver.CudaStream;
import dev.sluice.executor.cuda.driver.DeviceBuffer;
import dev.sluice.executor.cuda.driver.PinnedBuffer;
import dev.sluice.executor.cuda.kernels.CudaKernels;
import dev.sluice.executor.cuda.kernels.HalfType;
import dev.sluice.executor.cuda.kernels.PrefillKernel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Decides at start which kernel does prefill attention.
 *
 * <p>A row must have the same bits whether its position is prefilled or decoded. The kernel that uses products of four warps
 * adds up in the same order as decode attention, but whether the hardware adds the 16 products of one instruction as it does
 * in a product of one warp is not documented. So both kernels compute the same rows once, and the faster one takes part only
 * if all bits are equal.
 */
public final class AttentionChoice {

    private static final Logger log = LoggerFactory.getLogger(AttentionChoice.class);

    private static final int GROUP = 4; // query heads of the kv head
    private static final int ROWS = 128;
    private static final int CONTEXT = 333; // before the first row: the rows see keys of two chunks, the last not full
    private static final int LENGTH = CONTEXT + ROWS;
    private static final int BLOCK_SIZE = 16;
    private static final int BLOCKS = Math.ceilDiv(LENGTH, BLOCK_SIZE);
    private static final int LARGEST_EXPONENT = 8;
    private static final int UNIT = 16; // elements that one instruction adds up
    private static final int CANCELLING = 64; // its products are larger than the scores, and show how those are rounded

    private final CudaKernels kernels;
    private final CudaStream stream;
    private final HalfType type;
    private final int headDim;

    public AttentionChoice(CudaKernels kernels, CudaStream stream, HalfType type, int headDim) {
        this.kernels = kernels;
        this.stream = stream;
        this.type = type;
        this.headDim = headDim;
    }

    /** The kernel for prefill attention from now on. */
    public PrefillKernel run() {
        PrefillKernel faster = kernels.wgmmaPrefill;
        if (faster == null) {
            return kernels.prefill;
        }
        try {
            if (hasTheSameBits(faster)) {
                log.info("Prefill attention: {}", faster.function().name());
                return faster;
            }
            log.warn(
                    "Prefill attention: {}; {} is left out because this device adds up otherwise in it",
                    kernels.prefill.function().name(),
                    faster.function().name());
        } catch (ExecutorException e) {
            if (e.scope() == ExecutorException.Scope.DEVICE) {
                throw e;
            }
            log.warn("{} is left out: {}", faster.function().name(), e.getMessage());
        }
        return kernels.prefill;
    }

    private boolean hasTheSameBits(PrefillKernel other) {
        CudaContext context = stream.context();
        CudaAttention.Shape shape = new CudaAttention.Shape(1, GROUP, 1, headDim, 0, BLOCK_SIZE);
        long rowsBytes = ROWS * shape.rowBytes();
        long arenaBytes = BLOCKS * shape.rowsOfBlock() * headDim * Short.BYTES;
        long numbersBytes = (long) Integer.BYTES * (BLOCKS + 3);
        try (Arena host = Arena.ofConfined();
                DeviceBuffer queries = DeviceBuffer.allocate(context, rowsBytes);
                DeviceBuffer arena = DeviceBuffer.allocate(context, arenaBytes);
                DeviceBuffer numbers = DeviceBuffer.allocate(context, numbersBytes);
                DeviceBuffer out = DeviceBuffer.allocate(context, rowsBytes);
                PinnedBuffer upload = PinnedBuffer.allocate(context, rowsBytes + arenaBytes + numbersBytes);
                PinnedBuffer results = PinnedBuffer.allocate(context, 2 * rowsBytes)) {
            MemorySegment queryNumbers = upload.memory().asSlice(0, rowsBytes);
            MemorySegment arenaNumbers = upload.memory().asSlice(rowsBytes, arenaBytes);
            MemorySegment passNumbers = upload.memory().asSlice(rowsBytes + arenaBytes, numbersBytes);
            fill(queryNumbers, arenaNumbers);
            for (int i = 0; i < BLOCKS; i++) {
                passNumbers.setAtIndex(ValueLayout.JAVA_INT, i, BLOCKS - 1 - i);
            }
            MemorySegment.copy(
                    new int[] {0, ROWS, LENGTH},
                    0,
                    passNumbers,
                    ValueLayout.JAVA_INT,
                    (long) Integer.BYTES * BLOCKS,
                    3);
            stream.toDevice(queryNumbers, queries.address());
            stream.toDevice(arenaNumbers, arena.address());
            stream.toDevice(passNumbers, numbers.address());
            CudaAttention.Operands operands =
                    new CudaAttention.Operands(out.address(), queries.address(), arena.address(), BLOCKS, 0, 0, 0);
            long starts = numbers.address() + (long) Integer.BYTES * BLOCKS;
            PrefillKernel[] both = {kernels.prefill, other};
            for (int i = 0; i < both.length; i++) {
                new CudaAttention(shape, operands, kernels, both[i], stream, host)
                        .prefill(0, numbers.address(), starts, starts + 2 * Integer.BYTES, 1, BLOCKS, ROWS);
                stream.toHost(out.address(), results.memory().asSlice(i * rowsBytes, rowsBytes));
            }
            stream.synchronize();
            MemorySegment first = results.memory().asSlice(0, rowsBytes);
            return first.mismatch(results.memory().asSlice(rowsBytes)) < 0;
        }
    }

    /**
     * Numbers of either sign and very different size. The first two elements of each 16 are large in queries and keys, and
     * their products cancel each other: within an instruction in the first 32 elements of 64, between two in the others.
     */
    private void fill(MemorySegment queries, MemorySegment arena) {
        SplittableRandom random = new SplittableRandom(1);
        long keys = (long) BLOCK_SIZE * headDim; // of a block; as many values follow
        long queryCount = queries.byteSize() / Short.BYTES;
        for (long i = 0; i < queryCount; i++) {
            double value = i % UNIT < 2 ? CANCELLING : random.nextDouble(-1, 1);
            queries.setAtIndex(ValueLayout.JAVA_SHORT, i, type.of((float) value));
        }
        for (long i = 0; i < arena.byteSize() / Short.BYTES; i++) {
            double value = random.nextDouble(-1, 1);
            if (i / keys % 2 == 1) {
                value *= 1 << random.nextInt(LARGEST_EXPONENT);
            } else if (i % UNIT < 2) {
                long unit = i / UNIT;
                long sign = unit % 4 < 2 ? i : unit;
                value = sign % 2 == 0 ? CANCELLING : -CANCELLING;
            }
            arena.setAtIndex(ValueLayout.JAVA_SHORT, i, type.of((float) value));
        }
    }
}
