package dev.sluice.config;

import com.sun.management.UnixOperatingSystemMXBean;
import java.lang.management.ManagementFactory;

/** How many connections may be open, so that the files and tiers of this process always find descriptors free. */
final class ConnectionLimits {

    private static final int API_MAX = 16_384;
    private static final int MANAGEMENT_MAX = 256;

    private ConnectionLimits() {}

    /**
     * To the API: as set, or three quarters of the descriptors that are free now.
     *
     * @throws IllegalSettingException if more are set than are free
     */
    static int ofApi(SluiceProperties.Api settings) {
        long free = freeDescriptors();
        int asked = settings.maxConnections();
        if (asked > free) {
            throw new IllegalSettingException("sluice.api.max-connections is " + asked + ", but only " + free
                    + " more files and connections may be open in this process (ulimit -n)");
        }
        return asked > 0 ? asked : apiMax(free);
    }

    /** To the management port: an eighth of the free descriptors. */
    static int ofManagement() {
        return managementMax(freeDescriptors());
    }

    static int apiMax(long free) {
        return Math.clamp(free * 3 / 4, 1, API_MAX);
    }

    static int managementMax(long free) {
        return Math.clamp(free / 8, 1, MANAGEMENT_MAX);
    }

    private static long freeDescriptors() {
        if (!(ManagementFactory.getOperatingSystemMXBean() instanceof UnixOperatingSystemMXBean unix)) {
            return Integer.MAX_VALUE;
        }
        long max = unix.getMaxFileDescriptorCount(); // of no limit it makes a negative number or the largest one
        return max < 0 || max > Integer.MAX_VALUE
                ? Integer.MAX_VALUE
                : Math.max(0, max - unix.getOpenFileDescriptorCount());
    }
}
