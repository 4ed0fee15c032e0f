package dev.sluice.scheduler;

/**
 * Tells which of a sequence's prompt tokens are computed for the first time, and which again and why. What a sequence has
 * is always a prefix, so a few lengths say it all:
 *
 * <pre>
 *   tokens   [ found, promised or computed at some time  |  never had ]
 *                                                        ^ had
 *                    [ a load failed to bring these )
 *                    ^ lostFrom                     ^ lostTo
 * </pre>
 */
final class PromptWorkCounter {

    private int had;
    private int hadBefore; // the same before the latest admission
    private int lostFrom;
    private int lostTo;
    private int unanswered; // computed for the first time since the last token went out

    /** The sequence was admitted with so many tokens, found or promised. */
    void admitted(int found) {
        hadBefore = had;
        had = Math.max(had, found);
    }

    /** What the latest admission counted on was not there, and no load is to blame. */
    void admittedInVain() {
        had = hadBefore;
    }

    /** A load failed to bring these tokens. */
    void lost(int from, int to) {
        boolean none = lostFrom >= lostTo;
        lostFrom = none ? from : Math.min(from, lostFrom);
        lostTo = none ? to : Math.max(to, lostTo);
    }

    /** Positions {@code [start, end)} were computed; those below the prompt's length count. */
    void computed(int start, int end, int promptLength, LifecycleListener listener, RequestTimeline timeline) {
        int promptEnd = Math.min(end, promptLength);
        if (start < promptEnd) {
            int again = Math.max(0, Math.min(promptEnd, had) - start);
            int from = Math.max(lostFrom, start); // what lies before was brought by somebody
            int failed = Math.max(0, Math.min(start + again, lostTo) - from);
            lostFrom = Math.max(from, promptEnd);
            unanswered += promptEnd - start - again;
            if (failed > 0) {
                listener.onPromptWork(timeline, PromptWork.RECOMPUTED_AFTER_FAILED_LOAD, failed);
            }
            if (again > failed) {
                listener.onPromptWork(timeline, PromptWork.RECOMPUTED_AFTER_PREEMPTION, again - failed);
            }
        }
        had = Math.max(had, end);
    }

    /** A token goes out, or the sequence ends: what was computed for the first time has this outcome. */
    void settle(PromptWork outcome, LifecycleListener listener, RequestTimeline timeline) {
        if (unanswered > 0) {
            listener.onPromptWork(timeline, outcome, unanswered);
            unanswered = 0;
        }
    }
}
