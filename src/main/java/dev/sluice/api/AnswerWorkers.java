package dev.sluice.api;

import reactor.core.scheduler.Scheduler;

/**
 * Where events become text: neither network threads nor the scheduler's, and apart from prompts, for which answers never wait.
 * Large whole answers have a thread of their own, since one of them may keep it busy for long.
 */
public record AnswerWorkers(Scheduler ordinary, Scheduler large) {

    private static final long LARGE_BYTES = 1 << 20;

    Scheduler of(GenerationCall call) {
        return call.stream() || call.answerBytes() < LARGE_BYTES ? ordinary : large;
    }
}
