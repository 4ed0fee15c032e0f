package dev.sluice.scheduler;

import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.TransferPlan;
import dev.sluice.offload.ConnectorRequest;
import dev.sluice.offload.ExternalMatch;
import dev.sluice.offload.KvConnector;
import dev.sluice.offload.LoadReport;
import dev.sluice.offload.StepView;
import dev.sluice.request.TokensByTier;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Answers as told, by request number, the last answer for ever; keeps its calls. What it loads is reported when the test
 * says so.
 */
final class ScriptedConnector implements KvConnector {

    /** An answer: ask again in the next step. */
    static final int ASK_AGAIN = -1;

    final List<String> calls = new ArrayList<>();

    /** Of each sequence of each step, what was computed and what is to be: {@code "1: 5 and 2"}. */
    final List<String> planned = new ArrayList<>();

    private final Map<Long, Deque<Integer>> answers = new HashMap<>();
    private final Map<Long, ConnectorRequest> requests = new HashMap<>();
    private final Map<Long, Long> jobs = new HashMap<>();
    private final Map<Long, int[]> tables = new HashMap<>();
    private final Deque<LoadReport> reports = new ArrayDeque<>();
    private boolean async;
    private int defaultAnswer;
    private long job;

    ScriptedConnector answer(long sequence, Integer... script) {
        answers.put(sequence, new ArrayDeque<>(List.of(script)));
        return this;
    }

    ScriptedConnector answerAll(int tokens) {
        defaultAnswer = tokens;
        return this;
    }

    ScriptedConnector asynchronous() {
        async = true;
        return this;
    }

    /** In the next turn: these positions of the sequence's block table did not arrive. */
    void reportInvalid(long sequence, int... positions) {
        int[] table = tables.get(sequence);
        int[] blocks = Arrays.stream(positions).map(i -> table[i]).toArray();
        reports.add(new LoadReport(blocks, new long[0], new long[0]));
    }

    /** In the next turn: these sequences' loads have ended. */
    void reportReceived(long... sequences) {
        long[] ended = Arrays.stream(sequences).map(jobs::get).toArray();
        reports.add(new LoadReport(new int[0], ended, new long[0]));
    }

    /** In the next turn: the sequence's load took too long. */
    void reportAbandoned(long sequence) {
        reports.add(new LoadReport(new int[0], new long[0], new long[] {jobs.get(sequence)}));
    }

    int computed(long sequence) {
        return requests.get(sequence).computedTokens();
    }

    int blockAt(long sequence, int position) {
        return tables.get(sequence)[position];
    }

    long count(String prefix) {
        return calls.stream().filter(call -> call.startsWith(prefix)).count();
    }

    @Override
    public boolean loadsAsynchronously() {
        return async;
    }

    @Override
    public void onNewRequest(ConnectorRequest request) {
        requests.put(request.sequence(), request);
    }

    @Override
    public ExternalMatch match(ConnectorRequest request, int localTokens) {
        calls.add("match " + request.sequence());
        Deque<Integer> script = answers.get(request.sequence());
        if (script == null) {
            return new ExternalMatch(TokensByTier.of(TokensByTier.HOST, defaultAnswer));
        }
        int answer = script.size() > 1 ? script.removeFirst() : script.getFirst();
        return answer == ASK_AGAIN
                ? ExternalMatch.ASK_AGAIN
                : new ExternalMatch(TokensByTier.of(TokensByTier.HOST, answer));
    }

    @Override
    public long onAllocated(ConnectorRequest request, int[] blocks, int blockCount, int externalTokens) {
        calls.add("allocated " + request.sequence() + " " + externalTokens);
        tables.put(request.sequence(), Arrays.copyOf(blocks, blockCount));
        if (!async || externalTokens == 0) {
            return NO_JOB;
        }
        jobs.put(request.sequence(), ++job);
        return job;
    }

    @Override
    public TransferPlan planTransfers(StepView step) {
        for (int i = 0; i < step.size(); i++) {
            ConnectorRequest request = step.request(i);
            planned.add(request.sequence() + ": " + request.computedTokens() + " and " + step.scheduledTokens(i));
        }
        return TransferPlan.NONE;
    }

    @Override
    public LoadReport onTransfers(List<FinishedTransfer> finished) {
        return reports.isEmpty() ? LoadReport.NONE : reports.removeFirst();
    }

    @Override
    public void onFinished(ConnectorRequest request, int[] blocks, int blockCount) {
        calls.add("finished " + request.sequence());
    }

    @Override
    public boolean hasPendingWork() {
        return !reports.isEmpty();
    }

    @Override
    public void reset() {
        calls.add("reset");
    }
}
