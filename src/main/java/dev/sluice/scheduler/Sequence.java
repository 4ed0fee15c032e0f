package dev.sluice.scheduler;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.BlockHasher;
import dev.sluice.kv.BlockTable;
import dev.sluice.offload.ConnectorRequest;
import dev.sluice.offload.KvConnector;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.PrefillRecord;
import dev.sluice.request.TokenEvent;
import dev.sluice.request.TokenSink;
import dev.sluice.request.TokensByTier;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A request inside the scheduler: its tokens, its blocks, how far it is computed, and where it stands.
 *
 * <pre>
 *              admitted                 ended
 *   WAITING  ----------->  RUNNING  ------------->  FINISHED
 *    ^ |                    |   ^                      ^
 *    | | admitted           |   | admitted again       | cancelled, expired, failed
 *    | | with a   preempted |   |                      | from wherever it stands
 *    | | load               v   |                      |
 *    | |                  PREEMPTED -------------------+
 *    | v                    ^   | admitted with a load
 *   WAITING_FOR_REMOTE_KVS -+ <-+
 * </pre>
 *
 * <p>Every transition is a method of {@link LiveSequences}, which alone writes the fields below that are not private, but for
 * the place in the queue, which is the {@link WaitingQueue}'s.
 */
final class Sequence implements ConnectorRequest {

    /** Where a sequence stands; everything after {@code PREEMPTED} has ended. */
    enum State {
        WAITING,
        /** Holds its blocks and waits for the connector to fill some of them. */
        WAITING_FOR_REMOTE_KVS,
        RUNNING,
        PREEMPTED,
        FINISHED
    }

    private static final Logger LOG = LoggerFactory.getLogger(Sequence.class);

    private final long number;
    private final GenerationRequest request;
    private final TokenSink sink;
    private final RequestTimeline timeline;
    private final BlockTable table;
    private final int promptLength;
    private int[] tokens;
    private int tokenCount;

    State state = State.WAITING;

    /** Tokens whose keys and values are in blocks, those of the steps under way included. */
    int computed;

    /**
     * The last ones of {@link #computed} that nothing should be built on yet: they are up to a step under way, while the
     * one after it is planned or under way too. 0 for everybody else.
     */
    int unsettled;

    /** Position in a first-come queue; set by the queue. */
    long queuePosition;

    /** The load it waits for; {@link KvConnector#NO_JOB} once that is over. */
    long loadJob;

    /** True if the latest load failed, in whole or in part. */
    boolean loadFailed;

    /** Loads that failed, so far. */
    int failedLoads;

    /** Tokens {@code [loadFrom, loadTo)} are what the load of the latest admission was to bring. */
    int loadFrom;

    int loadTo;

    /** The connector could not begin the load that it had promised: it is not asked before the next admission. */
    boolean loadRefused;

    private final PromptWorkCounter promptWork = new PromptWorkCounter();
    private @Nullable PrefillRecord plannedPrefill;
    private int lookupsCountedAt = -1; // preemptions at that time
    private int admissionsInVain; // of those, counted as preemptions, that no preemption came before

    Sequence(long number, GenerationRequest request, TokenSink sink, BlockHasher hasher) {
        this.number = number;
        this.request = request;
        this.sink = sink;
        timeline = new RequestTimeline(request);
        table = new BlockTable(request.cacheSalt());
        promptLength = request.promptTokenIds().length;
        tokens = Arrays.copyOf(
                request.promptTokenIds(),
                promptLength + Math.min(request.sampling().maxTokens(), 64));
        tokenCount = promptLength;
        table.extendHashes(hasher, tokens, tokenCount);
    }

    GenerationRequest request() {
        return request;
    }

    RequestTimeline timeline() {
        return timeline;
    }

    BlockTable table() {
        return table;
    }

    PromptWorkCounter promptWork() {
        return promptWork;
    }

    /** Prompt then output; valid up to {@link #tokenCount}, replaced when it grows. */
    int[] tokens() {
        return tokens;
    }

    /** True if it waits with blocks that no copy is about to fill. */
    boolean holdsIdleBlocks() {
        return table.size() > 0 && loadJob == KvConnector.NO_JOB;
    }

    int outputCount() {
        return tokenCount - promptLength;
    }

    boolean isRunning() {
        return state == State.RUNNING;
    }

    boolean isFinished() {
        return state == State.FINISHED;
    }

    /** True if it ends, by its length, with the next token at the latest. */
    boolean endsWithNextToken(int contextLength) {
        return tokenCount + 1 >= contextLength
                || outputCount() + 1 >= request.sampling().maxTokens();
    }

    void append(int token, BlockHasher hasher) {
        if (tokenCount == tokens.length) {
            tokens = Arrays.copyOf(tokens, tokenCount + Math.max(64, tokenCount / 2));
        }
        tokens[tokenCount++] = token;
        table.extendHashes(hasher, tokens, tokenCount);
    }

    /** False if the reader does not read; one that cannot even be told is a danger to all others, and counts as that. */
    boolean emit(TokenEvent event) {
        try {
            return sink.offer(event);
        } catch (RuntimeException e) {
            LOG.error("The reader of {} failed", request.id(), e);
            return false;
        }
    }

    /**
     * Notes where the prompt's tokens come from, at an attempt to admit. The last attempt before the first preemption
     * counts; from then on the sequence would find its own blocks and call them cache hits, so nothing is noted.
     */
    void planPrefill(int localTokens, TokensByTier external) {
        if (timeline.preemptions == admissionsInVain && timeline.prefill == null) {
            plannedPrefill = new PrefillRecord(promptLength, localTokens, external);
        }
    }

    /**
     * It is about to lose its blocks because what it found was never computed: what the latest admission noted is void, and
     * the next one notes it anew.
     */
    void admittedInVain() {
        promptWork.admittedInVain();
        if (timeline.preemptions == admissionsInVain) {
            admissionsInVain++;
        }
    }

    /** Of what the latest admission found, only so much is there, and no load is to blame. */
    void foundOnly(int tokens) {
        promptWork.admittedInVain();
        promptWork.admitted(tokens);
        planPrefill(tokens, TokensByTier.NONE);
    }

    /** True at the first admission, and at the first one after each preemption: only then are its lookups counted. */
    boolean takeLookups() {
        boolean first = lookupsCountedAt != timeline.preemptions;
        lookupsCountedAt = timeline.preemptions;
        return first;
    }

    /** Takes the record with the first output; null at every later call. */
    @Nullable
    PrefillRecord takePrefill() {
        PrefillRecord record = plannedPrefill;
        plannedPrefill = null;
        if (record != null) {
            timeline.prefill = record;
        }
        return record;
    }

    @Override
    public long sequence() {
        return number;
    }

    @Override
    public int promptLength() {
        return promptLength;
    }

    @Override
    public int tokenCount() {
        return tokenCount;
    }

    @Override
    public int computedTokens() {
        return computed - unsettled;
    }

    @Override
    public int hashedBlocks() {
        return table.hashed();
    }

    @Override
    public BlockHash blockHash(int index) {
        return table.hash(index);
    }

    @Override
    public int maxOffloadTokens() {
        return request.maxOffloadTokens();
    }

    @Override
    public String toString() {
        return request.id() + "#" + number + " " + state + " " + computed + "/" + tokenCount;
    }
}
