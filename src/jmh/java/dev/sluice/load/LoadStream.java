package dev.sluice.load;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.LastHttpContent;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** One streamed call: counts its events, keeps a hash of its text, and reads in its own manner. */
final class LoadStream extends SimpleChannelInboundHandler<HttpObject> {

    /** How a client reads. */
    enum Reader {
        WILLING,
        /** Not at all. */
        STALLED,
        /** A byte a second. */
        SLOW
    }

    /**
     * What became of a call.
     *
     * @param status of the head; 0 if none came
     * @param complete its last event was the end of the stream
     * @param textHash of all text in order
     * @param nanos from the connection to the end
     * @param retryAfter true if the head names a time to come back
     * @param error the event that told of one; empty if there was none
     */
    record Outcome(
            Reader reader,
            int status,
            boolean complete,
            int tokens,
            long textHash,
            long nanos,
            boolean retryAfter,
            String error) {}

    private static final String EVENT = "data: ";

    private final Reader reader;
    private final Gaps gaps;
    private final Consumer<Outcome> end;
    private final StringBuilder line = new StringBuilder();
    private long start;
    private long lastEvent;
    private int status;
    private boolean retryAfter;
    private boolean complete;
    private boolean ended;
    private int tokens;
    private long textHash;
    private String error = "";

    LoadStream(Reader reader, Gaps gaps, Consumer<Outcome> end) {
        this.reader = reader;
        this.gaps = gaps;
        this.end = end;
    }

    @Override
    public void channelActive(ChannelHandlerContext context) {
        start = System.nanoTime();
        if (reader == Reader.SLOW) {
            context.executor().scheduleAtFixedRate(context::read, 1, 1, TimeUnit.SECONDS);
        }
        context.fireChannelActive();
    }

    @Override
    protected void channelRead0(ChannelHandlerContext context, HttpObject message) {
        if (message instanceof HttpResponse head) {
            status = head.status().code();
            retryAfter = head.headers().contains("Retry-After");
        }
        if (message instanceof HttpContent content) {
            read(content.content());
        }
        if (message instanceof LastHttpContent) {
            context.close();
        }
    }

    private void read(ByteBuf bytes) {
        String text = bytes.toString(StandardCharsets.ISO_8859_1); // byte by byte: a character may be cut
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '\n') {
                finishLine();
            } else {
                line.append(c);
            }
        }
    }

    private void finishLine() {
        if (line.indexOf(EVENT) == 0) {
            if (line.indexOf("[DONE]") > 0) {
                complete = error.isEmpty();
            } else if (line.indexOf("{\"error\":") > 0) {
                error = line.substring(EVENT.length());
            } else {
                event();
            }
        }
        line.setLength(0);
    }

    private void event() {
        long now = System.nanoTime();
        if (lastEvent != 0 && reader == Reader.WILLING) {
            gaps.add(now - lastEvent);
        }
        lastEvent = now;
        int text = line.indexOf("\"text\":\"");
        if (text > 0) {
            for (int i = text + 8; line.charAt(i) != '"'; i++) {
                textHash = textHash * 31 + line.charAt(i);
                if (line.charAt(i) == '\\') {
                    textHash = textHash * 31 + line.charAt(++i);
                }
            }
        }
        int usage = line.indexOf("\"completion_tokens\":");
        if (usage > 0) {
            int from = usage + 20;
            int to = from;
            while (Character.isDigit(line.charAt(to))) {
                to++;
            }
            tokens = Integer.parseInt(line, from, to, 10);
        }
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) {
        finish();
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
        context.close();
    }

    /** Once, whatever ends it. */
    void finish() {
        if (!ended) {
            ended = true;
            end.accept(new Outcome(
                    reader, status, complete, tokens, textHash, System.nanoTime() - start, retryAfter, error));
        }
    }
}
