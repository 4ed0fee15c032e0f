package dev.sluice.load;

import dev.sluice.load.LoadStream.Outcome;
import dev.sluice.load.LoadStream.Reader;
import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.FixedRecvByteBufAllocator;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpRequest;
import io.netty.handler.codec.http.HttpClientCodec;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpVersion;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** Opens a connection of its own for every call, thousands at a time. */
final class LoadClient implements AutoCloseable {

    private static final int PROMPTS = 16;
    private static final int PROMPT = 24;

    private final EventLoopGroup loops = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
    private final int port;
    private final int tokens;

    /** @param tokens that each call asks for */
    LoadClient(int port, int tokens) {
        this.port = port;
        this.tokens = tokens;
    }

    /** One of a few prompts, so that the right answer of each is known from asking it alone. */
    String body(int prompt, boolean stream) {
        StringBuilder ids = new StringBuilder();
        for (int i = 0; i < PROMPT; i++) {
            ids.append(i == 0 ? "" : ",").append(300 + prompt % PROMPTS * PROMPT + i);
        }
        return "{\"prompt\":[" + ids + "],\"max_tokens\":" + tokens
                + ",\"temperature\":0,\"ignore_eos\":true,\"stream\":" + stream
                + (stream ? ",\"stream_options\":{\"include_usage\":true}}" : "}");
    }

    static int prompts() {
        return PROMPTS;
    }

    /** Begins a call; the outcome comes on another thread, once. */
    Channel call(int prompt, Reader reader, Gaps gaps, Consumer<Outcome> end) {
        LoadStream stream = new LoadStream(reader, gaps, end);
        Bootstrap bootstrap = new Bootstrap()
                .group(loops)
                .channel(NioSocketChannel.class)
                .option(ChannelOption.AUTO_READ, reader == Reader.WILLING)
                .option(ChannelOption.CONNECT_TIMEOUT_MILLIS, (int) TimeUnit.SECONDS.toMillis(30))
                .handler(new ChannelInitializer<SocketChannel>() {
                    @Override
                    protected void initChannel(SocketChannel channel) {
                        channel.pipeline().addLast(new HttpClientCodec(), stream);
                    }
                });
        if (reader != Reader.WILLING) {
            bootstrap.option(ChannelOption.SO_RCVBUF, 4096);
            bootstrap.option(ChannelOption.RECVBUF_ALLOCATOR, new FixedRecvByteBufAllocator(1).maxMessagesPerRead(1));
        }
        var connecting = bootstrap.connect("127.0.0.1", port);
        connecting.addListener(done -> {
            if (!done.isSuccess()) {
                stream.finish();
                return;
            }
            DefaultFullHttpRequest request = new DefaultFullHttpRequest(
                    HttpVersion.HTTP_1_1,
                    HttpMethod.POST,
                    "/v1/completions",
                    Unpooled.copiedBuffer(body(prompt, true), StandardCharsets.US_ASCII));
            request.headers()
                    .set("Host", "127.0.0.1")
                    .set("Content-Type", "application/json")
                    .set("Content-Length", request.content().readableBytes());
            connecting.channel().writeAndFlush(request);
        });
        return connecting.channel();
    }

    @Override
    public void close() {
        loops.shutdownGracefully(0, 10, TimeUnit.SECONDS).awaitUninterruptibly();
    }
}
