package dev.sluice.api;

import java.util.HashMap;
import java.util.Map;

/** Counts the bytes of bodies that are arriving or waiting to be read, over all calls. Safe for any thread. */
final class BodyMemory {

    private final long bytesMax;
    private final Map<String, Long> byCaller = new HashMap<>();
    private long bytes;

    /** @param bytesMax no caller has more than half of them */
    BodyMemory(long bytesMax) {
        this.bytesMax = bytesMax;
    }

    /** The share of one call, empty at first. */
    Share share(String caller) {
        return new Share(caller);
    }

    synchronized long bytes() {
        return bytes;
    }

    /** What one body takes; closing gives it back, once. */
    final class Share implements AutoCloseable {

        private final String caller;
        private long held;
        private boolean closed;

        private Share(String caller) {
            this.caller = caller;
        }

        /** Takes more; false, and nothing is taken, if there is not so much. */
        boolean take(int count) {
            synchronized (BodyMemory.this) {
                long own = byCaller.getOrDefault(caller, 0L);
                if (bytes + count > bytesMax || own + count > bytesMax / 2) {
                    return false;
                }
                if (!closed) {
                    held += count;
                    bytes += count;
                    byCaller.put(caller, own + count);
                }
                return true;
            }
        }

        @Override
        public void close() {
            synchronized (BodyMemory.this) {
                closed = true;
                bytes -= held;
                long left = byCaller.getOrDefault(caller, 0L) - held;
                if (left > 0) {
                    byCaller.put(caller, left);
                } else {
                    byCaller.remove(caller);
                }
                held = 0;
            }
        }
    }
}
