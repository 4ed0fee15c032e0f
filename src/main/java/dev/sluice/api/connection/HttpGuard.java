package dev.sluice.api.connection;

import dev.sluice.api.ApiError;
import dev.sluice.api.ApiErrorWriter;
import dev.sluice.api.RequestIdFilter;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.channel.socket.DuplexChannel;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpStatusClass;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;
import java.nio.channels.ClosedChannelException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;
import reactor.netty.NettyPipeline;

/**
 * Stands behind the HTTP decoder of a connection and lets only requests through that can be read in one way. The first
 * that cannot is answered with an error in the API's shape, in its turn, and is the last of its connection: where it ends
 * is not known. Used by the channel's own thread only.
 */
final class HttpGuard extends ChannelDuplexHandler {

    private static final String NAME = "sluice.guard";
    private static final long LINGER_MILLIS = 1000; // in which the client reads the error, before a reset takes it away

    private final IntConsumer onRefused;
    private int owed; // requests that were let through and whose responses are not complete
    private boolean responding; // the oldest of these has begun
    private @Nullable ApiError verdict; // nothing is let through any more
    private int owedAtVerdict; // 1 if the verdict answers a request that was let through, whose body went wrong
    private boolean closing;

    private HttpGuard(IntConsumer onRefused) {
        this.onRefused = onRefused;
    }

    /** @param onRefused told the status of each refusal */
    static void install(Channel channel, IntConsumer onRefused) {
        channel.pipeline().addAfter(NettyPipeline.HttpCodec, NAME, new HttpGuard(onRefused));
    }

    /** Instead of {@link #install}: the connection is told that there are too many, and closed. */
    static void refuse(Channel channel, IntConsumer onRefused) {
        HttpGuard guard = new HttpGuard(onRefused);
        guard.verdict =
                ApiError.unavailable("too_many_connections", "too many connections are open", Duration.ofSeconds(1));
        channel.pipeline().addAfter(NettyPipeline.HttpCodec, NAME, guard);
    }

    @Override
    public void channelActive(ChannelHandlerContext context) {
        if (verdict == null) {
            context.fireChannelActive();
        } else {
            closing = true;
            onRefused.accept(verdict.status());
            // Without lingering: there are too many connections already.
            ChannelFuture ignored =
                    context.writeAndFlush(response(verdict, null)).addListener(sent -> close(context));
        }
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
        if (verdict != null || !(message instanceof HttpObject part)) {
            if (verdict == null) {
                context.fireChannelRead(message);
            } else {
                ReferenceCountUtil.release(message);
            }
            return;
        }
        boolean undecodable = part.decoderResult().isFailure();
        ApiError error = null;
        String id = null;
        if (part instanceof HttpRequest head) {
            error = undecodable ? HeadRules.undecodable(head.decoderResult().cause()) : HeadRules.check(head);
            id = head.headers().get(RequestIdFilter.HEADER);
        } else if (undecodable) {
            error = ApiError.invalidRequest(400, "bad_request", "the chunks of the body are not valid HTTP");
            owedAtVerdict = 1;
        }
        if (error == null) {
            owed += part instanceof HttpRequest ? 1 : 0;
            context.fireChannelRead(message);
            return;
        }
        ReferenceCountUtil.release(message);
        verdict = error;
        onRefused.accept(error.status());
        context.channel().config().setAutoRead(true); // what still comes is thrown away
        answerInTurn(context, error, id);
    }

    /** Waits for the responses before, which the client expects first. */
    private void answerInTurn(ChannelHandlerContext context, ApiError error, @Nullable String id) {
        if (closing || owed > owedAtVerdict) {
            return;
        }
        closing = true;
        if (responding || owed < owedAtVerdict) { // this request has its answer, or half of it, already
            close(context);
            return;
        }
        ChannelFuture ignored =
                context.writeAndFlush(response(error, id)).addListener(sent -> linger(context, sent.isSuccess()));
    }

    private static void linger(ChannelHandlerContext context, boolean sent) {
        if (sent && context.channel() instanceof DuplexChannel channel) {
            ChannelFuture ignored = channel.shutdownOutput().addListener(ended -> closeLater(context));
        } else {
            close(context);
        }
    }

    private static void closeLater(ChannelHandlerContext context) {
        Future<?> ignored = context.executor().schedule(() -> close(context), LINGER_MILLIS, TimeUnit.MILLISECONDS);
    }

    private static void close(ChannelHandlerContext context) {
        ChannelFuture ignored = context.close(); // whether it closed cleanly concerns nobody
    }

    private static FullHttpResponse response(ApiError error, @Nullable String id) {
        byte[] body = ApiErrorWriter.body(error);
        FullHttpResponse response = new DefaultFullHttpResponse(
                HttpVersion.HTTP_1_1, HttpResponseStatus.valueOf(error.status()), Unpooled.wrappedBuffer(body));
        response.headers()
                .set(HttpHeaderNames.CONTENT_TYPE, "application/json")
                .set(HttpHeaderNames.CACHE_CONTROL, "no-cache")
                .set(HttpHeaderNames.CONTENT_LENGTH, body.length)
                .set(HttpHeaderNames.CONNECTION, "close")
                .set(RequestIdFilter.HEADER, RequestIdFilter.idFor(id));
        Duration retryAfter = error.retryAfter();
        if (retryAfter != null) {
            response.headers()
                    .set(HttpHeaderNames.RETRY_AFTER, Math.max(1, retryAfter.toSeconds()))
                    .set("Retry-After-Ms", Math.max(1, retryAfter.toMillis()));
        }
        return response;
    }

    @Override
    public void write(ChannelHandlerContext context, Object message, ChannelPromise promise) {
        if (closing) { // the client has its last answer
            ReferenceCountUtil.release(message);
            promise.tryFailure(new ClosedChannelException());
            return;
        }
        boolean informational = message instanceof HttpResponse head
                && HttpStatusClass.valueOf(head.status().code()) == HttpStatusClass.INFORMATIONAL;
        responding |= message instanceof HttpResponse && !informational;
        boolean last = message instanceof LastHttpContent && !informational;
        ChannelFuture ignored = context.write(message, promise);
        if (last) {
            responding = false;
            owed--;
            ApiError waiting = verdict;
            if (waiting != null) {
                answerInTurn(context, waiting, null);
            }
        }
    }
}
