package dev.sluice.model.hub;

import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Flow.Publisher;
import java.util.concurrent.Flow.Subscriber;
import java.util.concurrent.Flow.Subscription;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The body of an answer as a stream that gives up when the server falls silent.
 *
 * <p>The client's own timeout ends with the answer's head; a server that then stops sending would hold a reader for
 * ever. One chunk is asked for at a time, so the queue never holds more than a chunk and the end.
 */
final class PacedBody extends InputStream implements Subscriber<List<ByteBuffer>> {

    private sealed interface Signal {}

    private record Chunk(List<ByteBuffer> buffers) implements Signal {}

    private record End(@Nullable Throwable failure) implements Signal {}

    private final BlockingQueue<Signal> signals = new ArrayBlockingQueue<>(4);
    private final long silenceNanosMax;
    private final List<ByteBuffer> pending = new ArrayList<>();

    private volatile @Nullable Subscription subscription;
    private volatile boolean closed;
    private boolean chunkTaken;
    private @Nullable End end;

    PacedBody(Publisher<List<ByteBuffer>> body, Duration silenceMax) {
        this.silenceNanosMax = silenceMax.toNanos();
        body.subscribe(this);
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] target, int offset, int length) throws IOException {
        while (true) {
            while (!pending.isEmpty()) {
                ByteBuffer buffer = pending.getFirst();
                if (buffer.hasRemaining()) {
                    int count = Math.min(length, buffer.remaining());
                    buffer.get(target, offset, count);
                    return count;
                }
                pending.removeFirst();
            }
            if (end != null) {
                if (end.failure() != null) {
                    throw new IOException("The transfer broke off.", end.failure());
                }
                return -1;
            }
            await();
        }
    }

    private void await() throws IOException {
        Subscription source = subscription;
        if (chunkTaken && source != null) {
            chunkTaken = false;
            source.request(1);
        }
        try {
            switch (signals.poll(silenceNanosMax, TimeUnit.NANOSECONDS)) {
                case null -> throw new HttpTimeoutException("The hub fell silent in the middle of a file.");
                case Chunk chunk -> {
                    pending.addAll(chunk.buffers());
                    chunkTaken = true;
                }
                case End last -> end = last;
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("The download was interrupted.");
        }
    }

    @Override
    public void close() {
        closed = true;
        Subscription source = subscription;
        if (source != null) {
            source.cancel();
        }
    }

    @Override
    public void onSubscribe(Subscription given) {
        subscription = given;
        if (closed) {
            given.cancel();
        } else {
            given.request(1);
        }
    }

    @Override
    public void onNext(List<ByteBuffer> buffers) {
        signals.add(new Chunk(buffers));
    }

    @Override
    public void onError(Throwable failure) {
        signals.add(new End(failure));
    }

    @Override
    public void onComplete() {
        signals.add(new End(null));
    }
}
