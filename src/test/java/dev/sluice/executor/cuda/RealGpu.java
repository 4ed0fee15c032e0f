package dev.sluice.executor.cuda;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.cuda.EmulatedGpu.MatrixMap;
import dev.sluice.executor.cuda.driver.CudaContext;
import dev.sluice.executor.cuda.driver.CudaDriver;
import dev.sluice.executor.cuda.driver.CudaFunction;
import dev.sluice.executor.cuda.driver.CudaModule;
import dev.sluice.executor.cuda.driver.CudaStream;
import dev.sluice.executor.cuda.driver.DeviceBuffer;
import dev.sluice.executor.cuda.driver.KernelArguments;
import dev.sluice.executor.cuda.driver.TensorMap;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Launches kernels through a driver, for tests whose arrays are the host's: they travel to the device and back. */
final class RealGpu {

    private static final String IMAGES = "target/classes/cuda/images";

    private final CudaContext context;
    private final CudaStream stream;
    private final List<CudaModule> modules = new ArrayList<>();
    private final Map<String, CudaFunction> functions = new HashMap<>();
    private final KernelArguments arguments = new KernelArguments(Arena.global());

    RealGpu(String library) {
        CudaDriver driver = CudaDriver.open(library);
        context = new CudaContext(driver, driver.device(0));
        stream = CudaStream.create(context, 0);
        try (Stream<Path> images = Files.list(Path.of(System.getProperty("kernel.images", IMAGES)))) {
            for (Path image : images.sorted().toList()) {
                modules.add(CudaModule.load(context, Files.readAllBytes(image)));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** As {@link EmulatedGpu#launch}. */
    void launch(String kernel, int x, int y, int z, int block, int sharedBytes, @Nullable Object... values) {
        context.makeCurrent();
        Map<Numbers, DeviceBuffer> buffers = new HashMap<>();
        arguments.begin();
        for (Object value : values) {
            switch (value) {
                case Numbers array -> {
                    DeviceBuffer buffer = buffers.computeIfAbsent(array, this::upload);
                    arguments.add(buffer.address() + Numbers.MARGIN);
                }
                case MatrixMap map -> {
                    DeviceBuffer buffer = buffers.computeIfAbsent(map.array(), this::upload);
                    long address = buffer.address() + Numbers.MARGIN;
                    int elementBytes = map.array().format.bytes;
                    arguments.add(TensorMap.encode(
                            context, Arena.ofAuto(), address, map.rows(), map.columns(), elementBytes, map.boxRows()));
                }
                case Integer number -> arguments.add((int) number);
                case Long number -> arguments.add((long) number);
                case Float number -> arguments.add((float) number);
                case null -> arguments.add(0L);
                default -> throw new IllegalArgumentException("an argument of " + kernel);
            }
        }
        stream.launch(function(kernel, sharedBytes), x, y, z, block, arguments);
        buffers.forEach((array, buffer) -> stream.toHost(buffer.address(), array.withMargins()));
        stream.synchronize();
        buffers.values().forEach(DeviceBuffer::close);
    }

    private DeviceBuffer upload(Numbers array) {
        DeviceBuffer buffer = DeviceBuffer.allocate(context, array.withMargins().byteSize());
        stream.toDevice(array.withMargins(), buffer.address());
        return buffer;
    }

    private CudaFunction function(String kernel, int sharedBytes) {
        return functions.computeIfAbsent(kernel + "/" + sharedBytes, key -> {
            for (CudaModule module : modules) {
                try {
                    return module.function(kernel, sharedBytes);
                } catch (ExecutorException e) {
                    continue; // it is in another file
                }
            }
            throw new IllegalStateException("no such kernel: " + kernel);
        });
    }
}
