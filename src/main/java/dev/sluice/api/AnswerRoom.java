package dev.sluice.api;

import dev.sluice.admission.Decision.Permit;
import java.time.Duration;

/**
 * The memory that one call has for its answer: what its permit took at admission, and more if more really comes. All of it
 * is given back with the permit.
 */
final class AnswerRoom {

    private static final long STEP = 64 << 10;
    private static final Duration SOON = Duration.ofSeconds(1);

    private final Permit permit;
    private final long max;
    private long taken;
    private long used;

    /**
     * @param taken at admission
     * @param max bytes for one call
     */
    AnswerRoom(Permit permit, long taken, long max) {
        this.permit = permit;
        this.taken = taken;
        this.max = max;
    }

    /**
     * A whole answer has grown.
     *
     * @throws ApiException if there is no room for that
     */
    synchronized void grow(long bytes) {
        used += bytes;
        if (used <= taken) {
            return;
        }
        if (used > max) {
            throw tooLarge(max, "ask for less, or set stream to true").asException();
        }
        long more = Math.min(max - taken, Math.max(STEP, used - taken));
        if (!permit.takeMemory(more)) {
            throw ApiError.tooMany(
                            "the answers in progress take all the memory that there is for them;"
                                    + " set max_tokens, set stream to true, or try again later",
                            SOON)
                    .asException();
        }
        taken += more;
    }

    static ApiError tooLarge(long max, String advice) {
        return ApiError.invalid(
                null,
                "answer_too_large",
                "the answer takes more than the " + max + " bytes of memory that one answer may take; " + advice);
    }

    /** True if there is room for so many more bytes that a stream's reader has not read yet. */
    synchronized boolean growUnread(long bytes) {
        if (taken + bytes > max || !permit.takeSpareMemory(bytes)) {
            return false;
        }
        taken += bytes;
        return true;
    }
}
