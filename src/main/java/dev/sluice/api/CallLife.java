package dev.sluice.api;

import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GenericFutureListener;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.springframework.http.server.reactive.ServerHttpRequest;
import org.springframework.http.server.reactive.ServerHttpRequestDecorator;
import org.springframework.web.server.ServerWebExchange;
import reactor.core.Disposable;
import reactor.core.Disposables;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;
import reactor.netty.http.server.HttpServerRequest;

/**
 * The one life of a call: what it holds (its permit, its sequences, its part of the answer) is given back when it ends, and
 * it ends once.
 *
 * <p>Two things end it, whichever comes first: the exchange is over, the last byte of the response included; or the
 * connection is closed, by whomever. The second is needed because a cancel can be lost on the way through the reactive
 * chain: a write that fails before it has subscribed to the body cancels nothing. What is taken after the end is given
 * back at once, so it does not matter when the end comes. Safe for any thread.
 */
final class CallLife {

    private static final String ATTRIBUTE = CallLife.class.getName();

    private final Disposable.Composite held = Disposables.composite();
    private final Sinks.Empty<Void> over = Sinks.empty();
    private final @Nullable Channel connection;

    /** @param connection null if the server is not Netty's, as in some tests */
    CallLife(@Nullable Channel connection) {
        this.connection = connection;
        held.add(over::tryEmitEmpty);
        if (connection != null) {
            GenericFutureListener<Future<Void>> onClose = closed -> giveBack();
            // Called at once if it is closed already.
            Future<Void> ignored = connection.closeFuture().addListener(onClose);
            held.add(() -> connection.closeFuture().removeListener(onClose)); // the connection may outlive many calls
        }
    }

    /** Begins the life of an exchange; the caller ends it when the exchange is over. */
    static CallLife begin(ServerWebExchange exchange) {
        CallLife life = new CallLife(channel(exchange.getRequest()));
        exchange.getAttributes().put(ATTRIBUTE, life);
        return life;
    }

    /** The life that {@link CallLifeFilter} has begun for this exchange. */
    static CallLife of(ServerWebExchange exchange) {
        return exchange.getRequiredAttribute(ATTRIBUTE);
    }

    /** False if the client is known to be gone. */
    static boolean isConnected(ServerWebExchange exchange) {
        Channel channel = channel(exchange.getRequest());
        return channel == null || channel.isActive();
    }

    /** Closes the connection of an exchange, whether its life has ended or not. */
    static void closeConnection(ServerWebExchange exchange) {
        Channel channel = channel(exchange.getRequest());
        if (channel != null) {
            Future<Void> ignored = channel.close();
        }
    }

    private static @Nullable Channel channel(ServerHttpRequest request) {
        Channel[] channel = new Channel[1];
        if (ServerHttpRequestDecorator.getNativeRequest(request) instanceof HttpServerRequest netty) {
            netty.withConnection(connection -> channel[0] = connection.channel());
        }
        return channel[0];
    }

    /** Gives something back when this ends: at once if it has. */
    void holds(Disposable thing) {
        held.add(thing);
    }

    /** Abandons this if it has not ended by then: a client that takes its answer byte by byte would keep it for ever. */
    void mustEndWithin(Duration limit) {
        if (connection != null) {
            Future<?> timer = connection.eventLoop().schedule(this::abandon, limit.toNanos(), TimeUnit.NANOSECONDS);
            held.add(() -> timer.cancel(false));
        }
    }

    /** Completes when this ends. */
    Mono<Void> whenOver() {
        return over.asMono();
    }

    boolean isOver() {
        return held.isDisposed();
    }

    /**
     * The exchange is over: everything is given back when what it has written is sent, or the connection is lost. An exchange
     * is over before its last bytes have left the process, and until then they take memory. Further calls do nothing.
     */
    void end() {
        if (connection == null || isOver() || !connection.isActive()) {
            giveBack();
            return;
        }
        connection.eventLoop().execute(() -> {
            ChannelHandlerContext first = connection.pipeline().firstContext();
            if (first == null) { // closed meanwhile
                giveBack();
            } else { // in the connection's own queue, behind all that was written
                first.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(sent -> giveBack());
            }
        });
    }

    private void giveBack() {
        held.dispose();
    }

    /** Gives everything back and closes the connection, whose client no longer takes what it is sent. */
    void abandon() {
        giveBack();
        if (connection != null) {
            Future<Void> ignored = connection.close();
        }
    }
}
