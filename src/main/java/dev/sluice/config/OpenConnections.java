package dev.sluice.config;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.netty.channel.Channel;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.ChannelGroupFuture;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.util.concurrent.GlobalEventExecutor;
import java.time.Duration;

/**
 * The connections of both ports: each loses its client when that takes nothing any more, and all of them can be closed, so
 * that nobody outside decides how long the end takes.
 */
final class OpenConnections {

    private final ChannelGroup open = new DefaultChannelGroup(GlobalEventExecutor.INSTANCE, true);
    private final Duration writeTimeout;
    private final Counter stalled;

    /** @param writeTimeout how long a client may take nothing of what it is sent */
    OpenConnections(Duration writeTimeout, MeterRegistry registry) {
        this.writeTimeout = writeTimeout;
        stalled = Counter.builder("sluice_http_stalled_readers")
                .description("Connections closed because the client took nothing of its answer")
                .register(registry);
    }

    void add(Channel channel) {
        open.add(channel); // and closed at once after closeAll
        channel.pipeline().addFirst("sluice.readers", new StalledReaderGuard(writeTimeout, stalled::increment));
    }

    /** Closes all of them, and from now on every one that still comes. */
    void closeAll() {
        ChannelGroupFuture ignored = open.close();
    }
}
