package dev.sluice.sim;

import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.TransferPlan;
import dev.sluice.offload.ConnectorRequest;
import dev.sluice.offload.ExternalMatch;
import dev.sluice.offload.KvConnector;
import dev.sluice.offload.LoadReport;
import dev.sluice.offload.StepView;
import dev.sluice.offload.host.HostMemoryConnector;
import dev.sluice.request.PrefillRecord;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Stands between loop and connector and holds both to their contract: a block is not written while a store reads it, what
 * could not be stored or loaded is not promised again, and each request's record is that of its last admission before its
 * first preemption. Finds at once what wrong contents would show only with luck.
 */
final class CheckedConnector implements KvConnector {

    private static final class Story {
        private int asked = -1; // local tokens at the latest question, or -1 if none since
        private long loading = NO_JOB;
        private boolean preempted;
        private boolean finished;
        private @Nullable PrefillRecord record;
    }

    private final HostMemoryConnector connector;
    private final int blockSize;
    private final boolean pagesAreOurs;
    private final Map<Long, Story> stories = new HashMap<>();
    private final Map<Long, BlockTransfer> stores = new HashMap<>();
    private final Map<Long, BlockTransfer> loads = new HashMap<>();
    private final Set<Long> awaited = new HashSet<>();
    private final Set<Integer> badPages = new HashSet<>();
    private Set<Long> inVain = Set.of();
    private String problem = "";

    /** @param pagesAreOurs false if a storage tier writes pages too, unseen from here */
    CheckedConnector(HostMemoryConnector connector, int blockSize, boolean pagesAreOurs) {
        this.connector = connector;
        this.blockSize = blockSize;
        this.pagesAreOurs = pagesAreOurs;
    }

    /** The connector itself, with nobody between. */
    KvConnector unchecked() {
        return connector;
    }

    private void demand(boolean condition, String what) {
        if (!condition && problem.isEmpty()) {
            problem = what;
        }
    }

    void verify() {
        connector.verifyBooks();
        if (!problem.isEmpty()) {
            throw new IllegalStateException("connector: " + problem);
        }
    }

    /** The record that a request's first output must have carried; null if it cannot be told from here. */
    @Nullable
    PrefillRecord record(long sequence) {
        Story story = stories.get(sequence);
        return story == null ? null : story.record;
    }

    /** Every request has been reported as ended, once. */
    void judge() {
        demand(stories.values().stream().allMatch(story -> story.finished), "was not told of an end");
        demand(stores.isEmpty() && loads.isEmpty(), "copies were never reported");
        verify();
    }

    private Story story(ConnectorRequest request) {
        Story story = stories.get(request.sequence());
        if (story == null || story.finished) {
            throw new IllegalStateException("connector: called for " + request.sequence() + ", which it cannot know");
        }
        return story;
    }

    @Override
    public boolean loadsAsynchronously() {
        return connector.loadsAsynchronously();
    }

    @Override
    public void onNewRequest(ConnectorRequest request) {
        demand(stories.put(request.sequence(), new Story()) == null, "a request twice");
        connector.onNewRequest(request);
    }

    @Override
    public ExternalMatch match(ConnectorRequest request, int localTokens) {
        Story story = story(request);
        ExternalMatch match = connector.match(request, localTokens);
        story.asked = match.askAgain() ? -1 : localTokens;
        story.loading = NO_JOB; // or it would not be asked for again
        return match;
    }

    @Override
    public long onAllocated(ConnectorRequest request, int[] blocks, int blockCount, int externalTokens) {
        Story story = story(request);
        demand(externalTokens == 0 || story.asked >= 0, "a load that nobody asked for");
        demand(externalTokens == 0 || story.loading == NO_JOB, "a second load before the first was over");
        if (!story.preempted && !(story.loading != NO_JOB && externalTokens == 0)) {
            story.record =
                    story.asked < 0 ? null : new PrefillRecord(request.promptLength(), story.asked, externalTokens);
        }
        if (story.loading != NO_JOB && externalTokens == 0 && !story.preempted) {
            story.record = foundIn(request, story.record);
        }
        story.asked = -1;
        long job = connector.onAllocated(request, blocks, blockCount, externalTokens);
        story.loading = job;
        return job;
    }

    /** A load has come, but not the prefix before it if the step that was to compute that has failed. */
    private static @Nullable PrefillRecord foundIn(ConnectorRequest request, @Nullable PrefillRecord record) {
        int found = request.computedTokens(); // one less than was loaded, if that was everything
        return record == null || found + 1 >= record.cachedTokens()
                ? record
                : new PrefillRecord(request.promptLength(), found, 0);
    }

    /** In the step under way these shared a prefix with one that failed: they go back, and what they found does not count. */
    void sharedInVain(Set<Long> sequences) {
        inVain = sequences;
    }

    @Override
    public void onPreempted(ConnectorRequest request, int[] blocks, int blockCount) {
        Story story = story(request);
        story.preempted |= !inVain.contains(request.sequence());
        story.loading = NO_JOB;
        connector.onPreempted(request, blocks, blockCount);
    }

    @Override
    public TransferPlan planTransfers(StepView step) {
        TransferPlan plan = connector.planTransfers(step);
        plan.stores().forEach(store -> stores.put(store.job(), store));
        for (long job : plan.awaited()) {
            awaited.add(job);
        }
        for (int i = 0; i < step.size(); i++) {
            ConnectorRequest request = step.request(i);
            int computed = request.computedTokens();
            for (int block = computed / blockSize; block * blockSize < computed + step.scheduledTokens(i); block++) {
                demandUnread(step.blocks(i)[block]);
            }
        }
        for (BlockTransfer load : plan.loads()) {
            loads.put(load.job(), load);
            for (int i = 0; i < load.blocks().length; i++) {
                demandUnread(load.blocks()[i]);
                demand(!pagesAreOurs || !badPages.contains(load.pages()[i]), "what has failed is promised again");
            }
        }
        for (BlockTransfer store : plan.stores()) {
            for (int page : store.pages()) {
                badPages.remove(page);
            }
        }
        return plan;
    }

    private void demandUnread(int block) {
        for (BlockTransfer store : stores.values()) {
            if (!awaited.contains(store.job())) {
                for (int read : store.blocks()) {
                    demand(read != block, "block " + block + " is written while store " + store.job() + " reads it");
                }
            }
        }
    }

    @Override
    public LoadReport onTransfers(List<FinishedTransfer> finished) {
        for (FinishedTransfer transfer : finished) {
            BlockTransfer store = stores.remove(transfer.job());
            BlockTransfer load = loads.remove(transfer.job());
            BlockTransfer known = store == null ? load : store;
            for (int position : transfer.failed()) {
                if (known != null) {
                    badPages.add(known.pages()[position]);
                }
            }
            awaited.remove(transfer.job());
            if (!transfer.succeeded()) {
                loseSightOf(transfer.job());
            }
        }
        LoadReport report = connector.onTransfers(finished);
        for (long job : report.abandoned()) {
            loseSightOf(job);
        }
        return report;
    }

    /** After a load that failed the request may be admitted with what has arrived, or as if it had never been asked for. */
    private void loseSightOf(long job) {
        for (Story story : stories.values()) {
            if (story.loading == job) {
                story.loading = NO_JOB;
            }
        }
    }

    @Override
    public void onFinished(ConnectorRequest request, int[] blocks, int blockCount) {
        Story story = story(request);
        connector.onFinished(request, blocks, blockCount);
        story.finished = true;
    }

    @Override
    public boolean hasPendingWork() {
        return connector.hasPendingWork();
    }

    @Override
    public void reset() {
        connector.reset();
    }
}
