package dev.sluice.offload.disk;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.GatheringByteChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/** A disk that can be full, refuse to delete, hang, and lose its process in the middle of anything. */
final class DiskFaults implements DiskFiles {

    /** Bytes that still fit; less than a file needs tears it. */
    final AtomicLong room = new AtomicLong(Long.MAX_VALUE);

    /** Steps until the process is gone and nothing reaches the disk any more. */
    final AtomicInteger stepsToLive = new AtomicInteger(Integer.MAX_VALUE);

    volatile boolean undeletable;
    volatile CountDownLatch writeGate = new CountDownLatch(0);
    volatile CountDownLatch readGate = new CountDownLatch(0);

    /** Every access takes so long: slow, but not sick. */
    volatile long delayNanos;

    private void step() {
        if (delayNanos > 0) {
            LockSupport.parkNanos(delayNanos);
        }
        if (stepsToLive.getAndDecrement() <= 0) {
            stepsToLive.set(0);
            throw new IllegalStateException("the process is gone");
        }
    }

    private static void pass(CountDownLatch gate) throws IOException {
        try {
            if (!gate.await(DiskBench.PATIENCE_NANOS, TimeUnit.NANOSECONDS)) {
                throw new IOException("the gate stayed closed");
            }
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
    }

    @Override
    public GatheringByteChannel create(Path file) throws IOException {
        pass(writeGate);
        step();
        GatheringByteChannel to = REAL.create(file);
        return new GatheringByteChannel() {
            @Override
            public long write(ByteBuffer[] parts, int offset, int length) throws IOException {
                for (int i = offset; i < offset + length; i++) {
                    if (parts[i].hasRemaining()) {
                        return write(parts[i]);
                    }
                }
                return 0;
            }

            @Override
            public long write(ByteBuffer[] parts) throws IOException {
                return write(parts, 0, parts.length);
            }

            /** In pieces, so that it can be torn anywhere. */
            @Override
            public int write(ByteBuffer part) throws IOException {
                step();
                int piece = (int) Math.min(Math.min(part.remaining(), 200), room.get());
                if (piece == 0) {
                    throw new IOException("No space left on device");
                }
                room.addAndGet(-piece);
                int written = to.write(part.slice(part.position(), piece));
                part.position(part.position() + written);
                return written;
            }

            @Override
            public boolean isOpen() {
                return to.isOpen();
            }

            @Override
            public void close() throws IOException {
                to.close();
            }
        };
    }

    @Override
    public SeekableByteChannel open(Path file) throws IOException {
        pass(readGate);
        step();
        return REAL.open(file);
    }

    @Override
    public void stamp(Path file, long micros) throws IOException {
        step();
        REAL.stamp(file, micros);
    }

    @Override
    public void publish(Path temporary, Path file) throws IOException {
        step();
        REAL.publish(temporary, file);
    }

    @Override
    public void delete(Path file) throws IOException {
        step();
        if (undeletable) {
            throw new IOException("Operation not permitted");
        }
        REAL.delete(file);
    }
}
