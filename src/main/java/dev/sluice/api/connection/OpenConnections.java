package dev.sluice.api.connection;

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
public final class OpenConnections {

    private final ChannelGroup open = new DefaultChannelGroup(GlobalEventExecutor.INSTANCE, true);
    private final Duration writeTimeout;
    private final Runnable onStalled;

    /**
     * @param writeTimeout how long a client may take nothing of what it is sent
     * @param onStalled told of each connection that is closed for that
     */
    public OpenConnections(Duration writeTimeout, Runnable onStalled) {
        this.writeTimeout = writeTimeout;
        this.onStalled = onStalled;
    }

    void add(Channel channel) {
        open.add(channel); // and closed at once after closeAll
        channel.pipeline().addFirst("sluice.readers", new StalledReaderGuard(writeTimeout, onStalled));
    }

    /** Closes all of them, and from now on every one that still comes. */
    public void closeAll() {
        ChannelGroupFuture ignored = open.close();
    }
}
