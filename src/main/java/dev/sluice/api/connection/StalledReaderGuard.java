package dev.sluice.api.connection;

import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOption;
import io.netty.channel.ChannelOutboundBuffer;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import io.netty.util.concurrent.Future;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Closes a connection whose client takes nothing of what it is sent for too long: as long as it is open, it keeps all that
 * its call holds. A single byte is progress, so a slow client is not a stalled one. Used by the channel's own thread only.
 */
final class StalledReaderGuard extends ChannelOutboundHandlerAdapter {

    private static final int LOOKS = 8; // within the limit; the close comes that much later at most
    private static final long PAUSE_NANOS_MIN = TimeUnit.MILLISECONDS.toNanos(5);

    private final long limitNanos;
    private final long pauseNanos;
    private final Runnable onStalled;
    private @Nullable Future<?> timer;
    private int unwritten; // writes that the client's side has not taken completely
    private long written;
    private long writtenAtLastLook;
    private long progressAtLastLook;
    private long stalledNanos;

    /** @param onStalled told of each connection that is closed */
    StalledReaderGuard(Duration limit, Runnable onStalled) {
        limitNanos = limit.toNanos();
        pauseNanos = Math.max(PAUSE_NANOS_MIN, limitNanos / LOOKS);
        this.onStalled = onStalled;
    }

    @Override
    public void write(ChannelHandlerContext context, Object message, ChannelPromise promise) {
        unwritten++;
        if (timer == null) {
            stalledNanos = 0;
            remember(context.channel());
            look(context);
        }
        ChannelFuture ignored = context.write(message, promise.unvoid()).addListener(done -> {
            unwritten--;
            written++;
        });
    }

    @Override
    public void handlerRemoved(ChannelHandlerContext context) {
        Future<?> current = timer;
        if (current != null) {
            current.cancel(false);
        }
    }

    private void look(ChannelHandlerContext context) {
        timer = context.executor().schedule(() -> check(context), pauseNanos, TimeUnit.NANOSECONDS);
    }

    private void check(ChannelHandlerContext context) {
        timer = null;
        Channel channel = context.channel();
        if (unwritten == 0 || !channel.isOpen()) {
            return; // the next write looks again
        }
        boolean moved = written != writtenAtLastLook || progress(channel) != progressAtLastLook;
        stalledNanos = moved ? 0 : stalledNanos + pauseNanos;
        if (stalledNanos < limitNanos) {
            remember(channel);
            look(context);
            return;
        }
        close(context, context.newPromise());
    }

    /** Whoever on our side closes a connection that has not taken everything, does so because its client has stalled. */
    @Override
    public void close(ChannelHandlerContext context, ChannelPromise promise) {
        ChannelOutboundBuffer buffer = context.channel().unsafe().outboundBuffer();
        if (buffer != null && !buffer.isEmpty()) {
            onStalled.run();
            // The system's own buffers are given back at once, too.
            context.channel().config().setOption(ChannelOption.SO_LINGER, 0);
        }
        ChannelFuture ignored = context.close(promise);
    }

    private void remember(Channel channel) {
        writtenAtLastLook = written;
        progressAtLastLook = progress(channel);
    }

    /** How much is gone of the write that is under way: of a long answer there is only one. */
    private static long progress(Channel channel) {
        ChannelOutboundBuffer buffer = channel.unsafe().outboundBuffer();
        return buffer == null ? 0 : buffer.currentProgress();
    }
}
