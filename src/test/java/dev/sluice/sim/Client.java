package dev.sluice.sim;

import dev.sluice.executor.sim.SimulatedExecutor;
import dev.sluice.request.FailureKind;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.PrefillRecord;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenEvent;
import dev.sluice.testkit.RecordingSink;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** One client of a simulated world, what it has seen, and what it must have seen. */
final class Client {

    private static final long SWEEP_NANOS = 50_000_000; // deadlines are looked at so often

    final GenerationRequest request;
    final RecordingSink sink;
    private final List<Integer> weights = new ArrayList<>(); // of the model that each token came from
    boolean disturbed;
    private boolean judgedDeadline;

    Client(GenerationRequest request, RecordingSink sink) {
        this.request = request;
        this.sink = sink;
    }

    void note(int current) {
        while (weights.size() < sink.tokens().size()) {
            weights.add(current);
        }
    }

    void judge(int vocabulary, int context) {
        String id = request.id();
        if (!sink.isEnded()) {
            throw new IllegalStateException(id + " never ended");
        }
        List<Integer> expected = expectedTokens(vocabulary, context);
        List<Integer> got = sink.tokens();
        if (got.size() > expected.size() || !got.equals(expected.subList(0, got.size()))) {
            throw new IllegalStateException(id + " got " + got + ", its history demands " + expected);
        }
        if (sink.terminal() instanceof TokenEvent.Finished && !disturbed && got.size() != expected.size()) {
            throw new IllegalStateException(id + " finished after " + got.size() + " of " + expected.size());
        }
        if (sink.terminal() instanceof TokenEvent.Failed failed && failed.kind() == FailureKind.INVALID_REQUEST) {
            throw new IllegalStateException(id + " was refused: " + failed.message());
        }
    }

    /** Tokens that it knows in the end: the prompt, and the answer as far as it came. */
    int[] history() {
        return IntStream.concat(
                        Arrays.stream(request.promptTokenIds()),
                        sink.tokens().stream().mapToInt(Integer::intValue))
                .toArray();
    }

    /** What it found somewhere was computed for somebody with the same salt. */
    void judgeSalt(List<Client> all) {
        PrefillRecord record = sink.prefill();
        int found = record == null ? 0 : record.cachedTokens();
        for (Client other : all) {
            if (found == 0 || (other != this && sharesSalt(other) && sharesTokens(other, found))) {
                return;
            }
        }
        throw new IllegalStateException(request.id() + " found " + found + " tokens that nobody with its salt had");
    }

    private boolean sharesSalt(Client other) {
        return Objects.equals(request.cacheSalt(), other.request.cacheSalt());
    }

    private boolean sharesTokens(Client other, int count) {
        int[] tokens = other.history();
        return tokens.length >= count && Arrays.equals(tokens, 0, count, request.promptTokenIds(), 0, count);
    }

    /** Until its deadline it may live, and soon after it must not. */
    void judgeDeadline(long now, boolean scheduled) {
        boolean late = isPast(request.deadlineNanos(), now);
        boolean waitedTooLong = !scheduled && isPast(request.queueDeadlineNanos(), now);
        boolean expired = sink.terminal() instanceof TokenEvent.Failed failed && failed.kind() == FailureKind.DEADLINE;
        if (expired && !judgedDeadline && !late && !waitedTooLong) {
            throw new IllegalStateException(request.id() + " expired before its deadline");
        }
        judgedDeadline |= sink.isEnded();
        long grace = now - SWEEP_NANOS;
        if (!sink.isEnded()
                && (isPast(request.deadlineNanos(), grace)
                        || (!scheduled && isPast(request.queueDeadlineNanos(), grace)))) {
            throw new IllegalStateException(request.id() + " lives although its deadline has passed");
        }
    }

    private static boolean isPast(long deadline, long now) {
        return deadline != GenerationRequest.NO_DEADLINE && now - deadline >= 0;
    }

    void judgeRecord(@Nullable PrefillRecord expected) {
        PrefillRecord record = sink.prefill();
        if (record != null
                && expected != null
                && (record.localTokens() != expected.localTokens()
                        || record.externalTokens() != expected.externalTokens())) {
            throw new IllegalStateException(request.id() + " has " + record + ", was admitted with " + expected);
        }
    }

    private List<Integer> expectedTokens(int vocabulary, int context) {
        SamplingParams sampling = request.sampling();
        int[] prompt = request.promptTokenIds();
        int[] history = Arrays.copyOf(prompt, prompt.length + sampling.maxTokens());
        List<Integer> expected = new ArrayList<>();
        int length = prompt.length;
        int current = weights.isEmpty() ? 0 : weights.getLast();
        while (true) {
            int index = expected.size();
            int model = index < weights.size() ? weights.get(index) : current;
            int token = SimulatedExecutor.nextToken(history, length, vocabulary, model);
            expected.add(token);
            history[length++] = token;
            boolean stops = expected.size() >= sampling.minTokens()
                    && ((token == 0 && sampling.endTokenIds().length > 0)
                            || (token == 1 && sampling.stopTokenIds().length > 0));
            if (stops || expected.size() == sampling.maxTokens() || length >= context) {
                return expected;
            }
        }
    }
}
