package dev.sluice.executor.cuda.driver;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** The CUDA driver of this machine: the way to its devices. */
public final class CudaDriver {

    /** What Linux calls the driver's library; it comes with the driver, not with the toolkit. */
    public static final String LIBRARY = "libcuda.so.1";

    private static final int NAME_BYTES = 256;

    final NativeLibrary library;
    final CudaErrors errors;
    private final MethodHandle count;
    private final MethodHandle get;
    private final MethodHandle name;
    private final MethodHandle attribute;
    private final MethodHandle totalMemory;
    private final int version;

    private CudaDriver(NativeLibrary library) {
        this.library = library;
        errors = new CudaErrors(library);
        count = library.function("cuDeviceGetCount", ADDRESS);
        get = library.function("cuDeviceGet", ADDRESS, JAVA_INT);
        name = library.function("cuDeviceGetName", ADDRESS, JAVA_INT, JAVA_INT);
        attribute = library.function("cuDeviceGetAttribute", ADDRESS, JAVA_INT, JAVA_INT);
        totalMemory = library.function("cuDeviceTotalMem_v2", ADDRESS, JAVA_INT);
        MethodHandle init = library.function("cuInit", JAVA_INT);
        MethodHandle driverVersion = library.function("cuDriverGetVersion", ADDRESS);
        try (Arena arena = Arena.ofConfined()) {
            int code = (int) init.invokeExact(0);
            if (code != CudaErrors.SUCCESS) {
                throw new CudaUnavailableException(
                        "there is a CUDA driver, but no device: "
                                + errors.of(code, "cuInit").getMessage(),
                        null);
            }
            MemorySegment out = arena.allocate(JAVA_INT);
            errors.check((int) driverVersion.invokeExact(out), "cuDriverGetVersion");
            version = out.get(JAVA_INT, 0);
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    /**
     * Opens and initialises the driver.
     *
     * @param library {@link #LIBRARY}, or another one with the same functions
     * @throws CudaUnavailableException if there is no driver, or it finds no device
     */
    public static CudaDriver open(String library) {
        return new CudaDriver(NativeLibrary.open(library));
    }

    /** Thousands: major, tens: minor. */
    public int version() {
        return version;
    }

    public int deviceCount() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(JAVA_INT);
            errors.check((int) count.invokeExact(out), "cuDeviceGetCount");
            return out.get(JAVA_INT, 0);
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    /** @throws CudaUnavailableException if there is no device of this number */
    public CudaDevice device(int ordinal) {
        int devices = deviceCount();
        if (ordinal < 0 || ordinal >= devices) {
            throw new CudaUnavailableException(
                    "sluice.executor.cuda.device is " + ordinal + ", but the driver shows " + devices
                            + (devices == 1 ? " device" : " devices") + ", counted from 0",
                    null);
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment handle = arena.allocate(JAVA_INT);
            errors.check((int) get.invokeExact(handle, ordinal), "cuDeviceGet");
            int device = handle.get(JAVA_INT, 0);
            MemorySegment text = arena.allocate(NAME_BYTES);
            errors.check((int) name.invokeExact(text, NAME_BYTES, device), "cuDeviceGetName");
            MemorySegment bytes = arena.allocate(JAVA_LONG);
            errors.check((int) totalMemory.invokeExact(bytes, device), "cuDeviceTotalMem");
            return new CudaDevice(
                    device,
                    text.getString(0),
                    attribute(arena, device, CudaDevice.Attribute.COMPUTE_CAPABILITY_MAJOR),
                    attribute(arena, device, CudaDevice.Attribute.COMPUTE_CAPABILITY_MINOR),
                    attribute(arena, device, CudaDevice.Attribute.MULTIPROCESSORS),
                    attribute(arena, device, CudaDevice.Attribute.L2_CACHE_BYTES),
                    attribute(arena, device, CudaDevice.Attribute.SHARED_MEMORY_PER_BLOCK_OPTIN),
                    bytes.get(JAVA_LONG, 0));
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    private int attribute(Arena arena, int device, CudaDevice.Attribute which) throws Throwable {
        MemorySegment out = arena.allocate(JAVA_INT);
        errors.check((int) attribute.invokeExact(out, which.code(), device), "cuDeviceGetAttribute");
        return out.get(JAVA_INT, 0);
    }
}
