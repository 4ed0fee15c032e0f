package dev.sluice.runtime;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;

/** What the machine, or the container around the process, has: more is promised by the system and fails later. */
public final class MachineMemory {

    private MachineMemory() {}

    /** @throws IllegalArgumentException naming the setting, what it asks for and what there is */
    public static void requireRoomFor(String setting, long bytes) {
        long available =
                ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getTotalMemorySize();
        if (bytes > available) {
            throw tooMuch(setting, bytes, available);
        }
    }

    /** The same sentence for memory that could not be had although the machine has it. */
    public static IllegalArgumentException tooMuch(String setting, long bytes) {
        return tooMuch(
                setting,
                bytes,
                ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getFreeMemorySize());
    }

    private static IllegalArgumentException tooMuch(String setting, long bytes, long available) {
        return new IllegalArgumentException(
                setting + " asks for " + bytes + " bytes, but only " + available + " bytes of memory are available");
    }
}
