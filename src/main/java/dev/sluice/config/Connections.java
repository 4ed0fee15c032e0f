package dev.sluice.config;

import com.sun.management.UnixOperatingSystemMXBean;
import dev.sluice.api.HttpGuard;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.netty.channel.Channel;
import java.lang.management.ManagementFactory;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.springframework.boot.reactor.netty.NettyReactiveWebServerFactory;
import org.springframework.boot.web.server.WebServerFactoryCustomizer;

/**
 * The connections of one port: how many may be open, and what guards each of them. A connection beyond the limit is told
 * so and closed, so that the other port, files and tiers always find descriptors free.
 */
final class Connections implements WebServerFactoryCustomizer<NettyReactiveWebServerFactory> {

    private static final int API_MAX = 16_384;
    private static final int MANAGEMENT_MAX = 256;
    private static final int[] REFUSALS = {400, 414, 417, 431, 501, 503, 505};

    private final OpenConnections all;
    private final SluiceProperties.Api settings;
    private final int max;
    private final AtomicInteger open = new AtomicInteger();
    private final Map<Integer, Counter> refusals = new TreeMap<>();

    private Connections(
            OpenConnections all, SluiceProperties.Api settings, String port, int max, MeterRegistry registry) {
        this.all = all;
        this.settings = settings;
        this.max = max;
        Gauge.builder("sluice_http_connections", open, AtomicInteger::get)
                .tag("port", port)
                .register(registry);
        Gauge.builder("sluice_http_connections_max", () -> max)
                .tag("port", port)
                .register(registry);
        for (int status : REFUSALS) { // all of them from the start, so that no client makes the metrics grow
            refusals.put(
                    status,
                    Counter.builder("sluice_http_refused")
                            .tag("port", port)
                            .tag("status", Integer.toString(status))
                            .register(registry));
        }
    }

    /** Those of the API: as set, or three quarters of the descriptors that are free now. */
    static Connections ofApi(OpenConnections all, SluiceProperties.Api settings, MeterRegistry registry) {
        long free = freeDescriptors();
        int asked = settings.maxConnections();
        if (asked > free) {
            throw new IllegalSettingException("sluice.api.max-connections is " + asked + ", but only " + free
                    + " more files and connections may be open in this process (ulimit -n)");
        }
        return new Connections(all, settings, "api", asked > 0 ? asked : apiMax(free), registry);
    }

    /** Those of the management port: an eighth of the free descriptors. */
    static Connections ofManagement(OpenConnections all, SluiceProperties.Api settings, MeterRegistry registry) {
        return new Connections(all, settings, "management", managementMax(freeDescriptors()), registry);
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

    @Override
    public void customize(NettyReactiveWebServerFactory server) {
        server.addServerCustomizers(http -> http.doOnChannelInit((observer, channel, address) -> guard(channel)));
    }

    private void guard(Channel channel) {
        boolean tooMany = open.incrementAndGet() > max;
        channel.closeFuture().addListener(closed -> open.decrementAndGet());
        if (tooMany) {
            HttpGuard.refuse(channel, this::count);
        } else {
            HttpGuard.install(channel, this::count);
        }
        all.add(channel);
        SlowHeadGuard.install(channel, settings.readTimeout());
    }

    private void count(int status) {
        Counter counter = refusals.get(status);
        if (counter != null) {
            counter.increment();
        }
    }
}
