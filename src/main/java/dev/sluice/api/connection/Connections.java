package dev.sluice.api.connection;

import io.netty.channel.Channel;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;
import org.springframework.boot.reactor.netty.NettyReactiveWebServerFactory;
import org.springframework.boot.web.server.WebServerFactoryCustomizer;

/**
 * The connections of one port: how many may be open, and what guards each of them. A connection beyond the limit is told
 * so and closed, so that the other port, files and tiers always find descriptors free.
 */
public final class Connections implements WebServerFactoryCustomizer<NettyReactiveWebServerFactory> {

    private final OpenConnections all;
    private final Duration readTimeout;
    private final int max;
    private final IntConsumer onRefused;
    private final AtomicInteger open = new AtomicInteger();

    /**
     * @param all those of all ports
     * @param readTimeout how long the head of a request may take
     * @param max how many may be open
     * @param onRefused told the status of each refusal
     */
    public Connections(OpenConnections all, Duration readTimeout, int max, IntConsumer onRefused) {
        this.all = all;
        this.readTimeout = readTimeout;
        this.max = max;
        this.onRefused = onRefused;
    }

    /** How many are open. */
    public int open() {
        return open.get();
    }

    /** How many may be open. */
    public int max() {
        return max;
    }

    @Override
    public void customize(NettyReactiveWebServerFactory server) {
        server.addServerCustomizers(http -> http.doOnChannelInit((observer, channel, address) -> guard(channel)));
    }

    private void guard(Channel channel) {
        boolean tooMany = open.incrementAndGet() > max;
        channel.closeFuture().addListener(closed -> open.decrementAndGet());
        if (tooMany) {
            HttpGuard.refuse(channel, onRefused);
        } else {
            HttpGuard.install(channel, onRefused);
        }
        all.add(channel);
        SlowHeadGuard.install(channel, readTimeout);
    }
}
