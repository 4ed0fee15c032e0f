package dev.sluice.api.connection;

import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.concurrent.Future;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import reactor.netty.NettyPipeline;

/**
 * Closes a connection whose request head does not become complete in time, however steadily its bytes trickle in: such
 * connections cost little each, but nothing else would ever end them. Used by the channel's own thread only.
 */
final class SlowHeadGuard {

    private final long limitNanos;
    private @Nullable Future<?> timer;
    private boolean inRequest;

    private SlowHeadGuard(Duration limit) {
        limitNanos = limit.toNanos();
    }

    /** Puts a guard around the channel's HTTP decoder. */
    static void install(Channel channel, Duration limit) {
        SlowHeadGuard guard = new SlowHeadGuard(limit);
        channel.pipeline().addBefore(NettyPipeline.HttpCodec, "sluice.headBytes", guard.new Bytes());
        channel.pipeline().addAfter(NettyPipeline.HttpCodec, "sluice.heads", guard.new Heads());
    }

    /** Before the decoder: a connection that has begun to speak, or has only been opened, must finish its head. */
    private final class Bytes extends ChannelInboundHandlerAdapter {

        @Override
        public void channelActive(ChannelHandlerContext context) {
            begin(context);
            context.fireChannelActive();
        }

        @Override
        public void channelRead(ChannelHandlerContext context, Object message) {
            if (!inRequest && timer == null) {
                begin(context);
            }
            context.fireChannelRead(message);
        }

        @Override
        public void channelInactive(ChannelHandlerContext context) {
            end();
            context.fireChannelInactive();
        }

        private void begin(ChannelHandlerContext context) {
            timer = context.executor().schedule(() -> close(context), limitNanos, TimeUnit.NANOSECONDS);
        }
    }

    /** After the decoder. */
    private final class Heads extends ChannelInboundHandlerAdapter {

        @Override
        public void channelRead(ChannelHandlerContext context, Object message) {
            if (message instanceof HttpRequest) {
                inRequest = true;
                end();
            }
            if (message instanceof LastHttpContent) {
                inRequest = false; // the next byte is of another head
            }
            context.fireChannelRead(message);
        }
    }

    private static void close(ChannelHandlerContext context) {
        ChannelFuture ignored = context.close(); // whether it closed cleanly concerns nobody
    }

    private void end() {
        Future<?> current = timer;
        if (current != null) {
            current.cancel(false);
            timer = null;
        }
    }
}
