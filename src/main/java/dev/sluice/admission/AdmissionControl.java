package dev.sluice.admission;

import dev.sluice.admission.Decision.Permit;
import dev.sluice.admission.Decision.Reason;
import dev.sluice.admission.Decision.Rejected;
import dev.sluice.runtime.Clock;
import java.time.Duration;
import java.util.EnumMap;
import java.util.Map;

/**
 * Decides at once whether a request may wait inside. Bounds the sequences inside and the prompt tokens that wait with
 * them; both bounds are exact, however many threads ask. A single call larger than the token bound is let in when nothing
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
     */
    public synchronized Decision tryAdmit(int count, long promptTokens) {
        if (draining) {
            return rejected(Reason.DRAINING);
        }
        if (sequences + (long) count > settings.sequencesMax()) {
            return rejected(Reason.QUEUE_FULL);
        }
        if (waitingTokens > 0 && waitingTokens + promptTokens > settings.waitingTokensMax()) {
            return rejected(Reason.TOO_MANY_TOKENS);
        }
        sequences += count;
        waitingTokens += promptTokens;
        return new Ticket(count, promptTokens);
    }

    /** From now on everything is refused; what is inside goes on. */
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
        private boolean closed;

        Ticket(int count, long tokens) {
            this.count = count;
            this.tokens = tokens;
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
                    releases[(int) (released++ % RATE_WINDOW)] = clock.monotonicNanos();
                }
            }
        }
    }
}
