package dev.sluice.testkit;

import dev.sluice.request.FinishReason;
import dev.sluice.request.PrefillRecord;
import dev.sluice.request.TokenEvent;
import dev.sluice.request.TokenLogprobs;
import dev.sluice.request.TokenSink;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A sink that keeps everything and fails the moment an event comes out of order. */
public final class RecordingSink implements TokenSink {

    private final List<Integer> tokens = new ArrayList<>();
    private final List<@Nullable TokenLogprobs> logprobs = new ArrayList<>();
    private @Nullable PrefillRecord prefill;
    private @Nullable TokenEvent terminal;
    private boolean reading = true;
    private @Nullable String problem;

    @Override
    public boolean offer(TokenEvent event) {
        if (terminal != null) {
            throw wrong(event + " after the terminal " + terminal);
        }
        switch (event) {
            case TokenEvent.Prefilled first -> {
                if (prefill != null || !tokens.isEmpty()) {
                    throw wrong("a second prefill record: " + first);
                }
                prefill = first.record();
            }
            case TokenEvent.Token token -> {
                if (prefill == null) {
                    throw wrong("a token before the prefill record");
                }
                tokens.add(token.id());
                logprobs.add(token.logprobs());
            }
            case TokenEvent.Finished finished -> terminal = finished;
            case TokenEvent.Failed failed -> terminal = failed;
        }
        return reading;
    }

    /** Whoever offers may survive the exception: whoever looks at the events later must not. */
    private IllegalStateException wrong(String what) {
        problem = what;
        return new IllegalStateException(what);
    }

    private void verify() {
        if (problem != null) {
            throw new IllegalStateException(problem);
        }
    }

    /** From now on answers as a reader that has stood still for too long. */
    public void stopReading() {
        reading = false;
    }

    public List<Integer> tokens() {
        verify();
        return tokens;
    }

    /** What came with each token. */
    public List<@Nullable TokenLogprobs> logprobs() {
        verify();
        return logprobs;
    }

    public @Nullable PrefillRecord prefill() {
        return prefill;
    }

    public @Nullable TokenEvent terminal() {
        verify();
        return terminal;
    }

    public boolean isEnded() {
        verify();
        return terminal != null;
    }

    /** The reason of the regular end, or null. */
    public @Nullable FinishReason finishReason() {
        return terminal instanceof TokenEvent.Finished finished ? finished.reason() : null;
    }
}
