package dev.sluice.admission;

import dev.sluice.admission.Decision.Permit;
import dev.sluice.admission.Decision.Reason;
import dev.sluice.admission.Decision.Rejected;
import dev.sluice.runtime.Clock;
import java.time.Duration;
import java.util.EnumMap;
import java.util.Map;

/**
 * Decides at once whether a request may wait inside. Bounds the sequences inside, the prompt tokens that wait with them, and
 * the memory of their answers; all bounds are exact, however many threads ask. A single call larger than the token bound is let in when nothing
 * else waits, since it could never come in otherwise.
 */
public final class AdmissionControl {

    private static final int RATE_WINDOW = 64; // releases that the drain rate is estimated from
    private static final long SECOND_NANOS = 1_000_000_000L;
    private static final long RETRY_SECONDS_MAX = 60;

    private final AdmissionSettings settings;
    private final Clock clock;
    private final long[] releases = new long[RATE_WINDOW];
    private final Map<Reason, Long> rejections = new EnumMap<>(Reason.class);
    private long released;
    private int sequences;
    private long waitingTokens;
    private long answerBytes;
    private boolean draining;

    public AdmissionControl(AdmissionSettings settings, Clock clock) {
        this.settings = settings;
        this.clock = clock;
        for (Reason reason : Reason.values()) {
            rejections.put(reason, 0L);
        }
    }

    /**
     * Asks for room for one call; never waits.
     *
     * @param count sequences the call will submit, at least 1
     * @param promptTokens sum over those sequences
     * @param memory bytes that its answer will take
     */
    public synchronized Decision tryAdmit(int count, long promptTokens, long memory) {
        if (draining) {
            return rejected(Reason.DRAINING);
        }
        if (sequences + (long) count > settings.sequencesMax()) {
            return rejected(Reason.QUEUE_FULL);
        }
        if (waitingTokens > 0 && waitingTokens + promptTokens > settings.waitingTokensMax()) {
            return rejected(Reason.TOO_MANY_TOKENS);
        }
        if (memory > settings.answerBytesMax() - answerBytes) {
            return rejected(Reason.ANSWERS_TOO_LARGE);
        }
        sequences += count;
        waitingTokens += promptTokens;
        answerBytes += memory;
        return new Ticket(count, promptTokens, memory);
    }

    /**
     * Asks for room for an answer that is there already, and has no sequences; never waits.
     *
     * @param memory bytes that it takes until it is sent
     */
    public synchronized Decision tryHold(long memory) {
        if (memory > settings.answerBytesMax() - answerBytes) {
            return rejected(Reason.ANSWERS_TOO_LARGE);
        }
        answerBytes += memory;
        return new Ticket(0, 0, memory);
    }

    /** From now on all sequences are refused; what is inside goes on. */
    public synchronized void startDraining() {
        draining = true;
    }

    public synchronized boolean isDraining() {
        return draining;
    }

    /** Sequences inside. */
    public synchronized int sequences() {
        return sequences;
    }

    /** Prompt tokens of sequences inside that have no first token yet. */
    public synchronized long waitingTokens() {
        return waitingTokens;
    }

    /** Bytes taken for the answers of those inside. */
    public synchronized long answerBytes() {
        return answerBytes;
    }

    /** Bytes that there are for answers. */
    public long answerBytesMax() {
        return settings.answerBytesMax();
    }

    /** Refusals so far. */
    public synchronized long rejections(Reason reason) {
        return rejections.getOrDefault(reason, 0L);
    }

    private Rejected rejected(Reason reason) {
        rejections.merge(reason, 1L, Long::sum);
        return new Rejected(reason, retryAfter());
    }

    /** The time in which, at the recent pace, as many sequences leave as one window holds. */
    private Duration retryAfter() {
        int known = (int) Math.min(released, RATE_WINDOW);
        if (known < 2) {
            return Duration.ofSeconds(1);
        }
        long oldest = releases[(int) ((released - known) % RATE_WINDOW)];
        double perSecond = known * (double) SECOND_NANOS / Math.max(1, clock.monotonicNanos() - oldest);
        double seconds = Math.max(1, settings.sequencesMax() / 10.0) / perSecond;
        return Duration.ofSeconds(Math.clamp((long) Math.ceil(seconds), 1, RETRY_SECONDS_MAX));
    }

    private final class Ticket implements Permit {
        private final int count;
        private long tokens;
        private long memory;
        private boolean closed;

        Ticket(int count, long tokens, long memory) {
            this.count = count;
            this.tokens = tokens;
            this.memory = memory;
        }

        @Override
        public boolean takeMemory(long bytes) {
            return take(bytes, settings.answerBytesMax());
        }

        @Override
        public boolean takeSpareMemory(long bytes) {
            return take(bytes, settings.answerBytesMax() / 2);
        }

        private boolean take(long bytes, long limit) {
            synchronized (AdmissionControl.this) {
                if (closed || bytes > limit - answerBytes) {
                    return false;
                }
                answerBytes += bytes;
                memory += bytes;
                return true;
            }
        }

        @Override
        public void prefilled() {
            synchronized (AdmissionControl.this) {
                waitingTokens -= tokens;
                tokens = 0;
            }
        }

        @Override
        public void close() {
            synchronized (AdmissionControl.this) {
                if (!closed) {
                    closed = true;
                    sequences -= count;
                    waitingTokens -= tokens;
                    tokens = 0;
                    answerBytes -= memory;
                    if (count > 0) {
                        releases[(int) (released++ % RATE_WINDOW)] = clock.monotonicNanos();
                    }
                }
            }
        }
    }
}
