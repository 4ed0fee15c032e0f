package dev.sluice.sim;

import dev.sluice.request.FinishReason;
import dev.sluice.request.PrefillRecord;
import dev.sluice.scheduler.LifecycleListener;
import dev.sluice.scheduler.PromptWork;
import dev.sluice.scheduler.RequestTimeline;
import dev.sluice.testkit.RecordingSink;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.LongConsumer;

/** Keeps the sums that the metrics keep, and checks after every turn what must hold between them. */
final class CheckedLedger implements LifecycleListener {

    private final Set<String> queued = new HashSet<>();
    private final Set<String> prefilled = new HashSet<>();
    private final Map<String, PrefillRecord> records = new HashMap<>();
    private final Set<String> finished = new HashSet<>();
    private final Set<String> scheduled = new HashSet<>();
    private final Map<String, Map<PromptWork, Integer>> work = new HashMap<>();
    private final Set<String> unlucky = new HashSet<>(); // lost something they had
    private final Map<String, Long> numbers = new HashMap<>();
    private LongConsumer onPreempted = sequence -> {};
    private String problem = "";
    private long prompt;
    private long computed;
    private long local;
    private long external;
    private long tokens;
    private long sampled;
    private long preemptions;
    private long preemptionsOfFinished;

    private void demand(boolean condition, String what) {
        if (!condition && problem.isEmpty()) {
            problem = what;
        }
    }

    /** @param heard told the number of each sequence that loses its blocks */
    void tellPreempted(LongConsumer heard) {
        onPreempted = heard;
    }

    @Override
    public void onQueued(RequestTimeline request) {
        numbers.put(request.request().id(), numbers.size() + 1L);
        demand(
                queued.add(request.request().id()),
                "queued twice: " + request.request().id());
    }

    @Override
    public void onScheduled(RequestTimeline request) {
        demand(
                scheduled.add(request.request().id()),
                "first scheduled twice: " + request.request().id());
        demand(request.scheduledNanos() >= request.queuedNanos(), "scheduled before it was queued");
    }

    @Override
    public void onPreempted(RequestTimeline request) {
        preemptions++;
        onPreempted.accept(numbers.get(request.request().id()));
        unlucky.add(request.request().id());
    }

    @Override
    public void onPrefilled(RequestTimeline request, PrefillRecord record) {
        demand(
                prefilled.add(request.request().id()),
                "a second record for " + request.request().id());
        demand(record.promptTokens() == request.request().promptTokenIds().length, "a record of another prompt");
        records.put(request.request().id(), record);
        prompt += record.promptTokens();
        computed += record.computedTokens();
        local += record.localTokens();
        external += record.externalTokens();
    }

    @Override
    public void onToken(RequestTimeline request, long previousNanos) {
        tokens++;
        demand(prefilled.contains(request.request().id()), "a token before the record");
        demand(request.lastTokenNanos() >= request.firstTokenNanos(), "the last token before the first");
        demand(request.firstTokenNanos() >= request.scheduledNanos(), "the first token before it was scheduled");
    }

    @Override
    public void onStep(int sequences, int promptTokens, int outputTokens, long nanos) {
        sampled += outputTokens;
        demand(sequences >= Math.max(1, outputTokens), "a step of " + sequences + " sampled " + outputTokens);
        demand(nanos >= 0, "a step that took " + nanos + " ns");
    }

    @Override
    public void onFinished(RequestTimeline request, FinishReason reason) {
        demand(
                finished.add(request.request().id()),
                "finished twice: " + request.request().id());
        preemptionsOfFinished += request.preemptions();
    }

    @Override
    public void onLocalLookup(int queriedTokens, int hitTokens, boolean resumed) {
        demand(hitTokens >= 0 && hitTokens < queriedTokens, "hits " + hitTokens + " of " + queriedTokens);
    }

    @Override
    public void onLoadFailed(RequestTimeline request) {
        unlucky.add(request.request().id());
    }

    @Override
    public void onPromptWork(RequestTimeline request, PromptWork outcome, int count) {
        demand(count > 0, "a work of " + count + " tokens");
        work.computeIfAbsent(request.request().id(), id -> new EnumMap<>(PromptWork.class))
                .merge(outcome, count, Integer::sum);
        if (outcome == PromptWork.WASTED) {
            unlucky.add(request.request().id());
        }
    }

    boolean isScheduled(String id) {
        return scheduled.contains(id);
    }

    /** At the end: of what was computed for a request, every prompt token went somewhere, once. */
    void judgeWork(String id, int promptTokensComputed) {
        Map<PromptWork, Integer> outcomes = work.getOrDefault(id, Map.of());
        int sum = outcomes.values().stream().mapToInt(Integer::intValue).sum();
        demand(sum == promptTokensComputed, id + " has " + outcomes + ", computed were " + promptTokensComputed);
        PrefillRecord record = records.get(id);
        int answered = outcomes.getOrDefault(PromptWork.ANSWERED, 0);
        if (record == null) {
            demand(answered == 0, id + " never answered, but " + answered + " tokens were computed for its answer");
        } else if (!unlucky.contains(id)) {
            demand(
                    answered == record.computedTokens(),
                    id + " has " + record + ", but " + answered + " tokens were computed for its answer");
        }
    }

    void verify() {
        demand(computed + local + external == prompt, "sources do not add up to " + prompt);
        demand(sampled == tokens, "steps sampled " + sampled + " tokens, requests got " + tokens);
        demand(queued.containsAll(finished), "finished without having been queued");
        if (!problem.isEmpty()) {
            throw new IllegalStateException("ledger: " + problem);
        }
    }

    /** At the end the ledger and what the clients saw must be the same story. */
    void judge(List<RecordingSink> sinks) {
        long seenPrompt = 0;
        long seenTokens = 0;
        for (RecordingSink sink : sinks) {
            seenTokens += sink.tokens().size();
            seenPrompt += sink.prefill() == null ? 0 : sink.prefill().promptTokens();
        }
        demand(seenPrompt == prompt, "clients saw " + seenPrompt + " prompt tokens, the ledger " + prompt);
        demand(seenTokens == tokens, "clients saw " + seenTokens + " tokens, the ledger " + tokens);
        demand(queued.size() == finished.size(), "not everything queued has finished");
        demand(preemptions == preemptionsOfFinished, "preemptions of requests do not add up");
        verify();
    }
}
