package dev.sluice.scheduler;

import dev.sluice.kv.BlockTable;
import dev.sluice.kv.KvCache;
import org.jspecify.annotations.Nullable;

/**
 * Walks every queue, table and block and throws at the first thing that does not add up. The loop calls it
 * whenever it runs out of requests; the simulation calls it after every turn.
 */
final class InvariantCheck {

    private InvariantCheck() {}

    /** @throws IllegalStateException saying what does not balance */
    static void verify(
            KvCache cache, SchedulerSettings settings, LiveSequences sequences, HeldBlocks held, @Nullable Step ahead) {
        int[] references = new int[cache.layout().blockCount()];
        int count = 0;
        for (Sequence sequence : sequences.all()) {
            verifySequence(cache, sequence);
            BlockTable table = sequence.table();
            for (int i = 0; i < table.size(); i++) {
                references[table.block(i)]++;
            }
            count++;
        }
        held.count(references);
        cache.pool().verify(references);
        int[] queued = {0};
        sequences.waiting().forEach(sequence -> {
            check(!sequence.isRunning(), sequence, "runs and waits");
            check(!sequence.isFinished(), sequence, "has ended and waits");
            queued[0]++;
        });
        for (Sequence sequence : sequences.running()) {
            check(sequence.isRunning(), sequence, "is in the running set");
        }
        for (Sequence sequence : sequences.all()) {
            verifyUnderWay(sequence, ahead);
        }
        check(sequences.running().size() <= settings.maxSequences(), "scheduler", "too many running sequences");
        check(queued[0] + sequences.running().size() == count, "scheduler", "a sequence is in no queue, or in two");
    }

    /** Of a step under way, each line computes the last token of its sequence, which is known, or its sequence is gone. */
    private static void verifyUnderWay(Sequence sequence, @Nullable Step ahead) {
        int line = ahead == null ? -1 : ahead.indexOf(sequence);
        boolean awaits = ahead != null && line >= 0 && !ahead.isWasted(line);
        check(sequence.unsettled == (awaits ? 1 : 0), sequence, "counts on a step that does not compute for it");
        if (awaits) {
            check(sequence.computed == sequence.tokenCount(), sequence, "is not to be computed up to its last token");
        }
    }

    private static void verifySequence(KvCache cache, Sequence sequence) {
        BlockTable table = sequence.table();
        check(table.size() >= cache.layout().blocksFor(sequence.computed), sequence, "computed more than it holds");
        check(sequence.computed <= sequence.tokenCount(), sequence, "computed more than is known");
        check(
                table.registered() * cache.layout().blockSize()
                        <= sequence.computed - sequence.unsettled + (waitsLoaded(sequence) ? 1 : 0),
                sequence,
                "registered blocks that were never computed");
        for (int i = 0; i < table.registered(); i++) {
            check(
                    table.hash(i).equals(cache.pool().hash(table.block(i))),
                    sequence,
                    "block " + i + " is registered under another content");
        }
        if (sequence.state == Sequence.State.WAITING || sequence.state == Sequence.State.PREEMPTED) {
            check((sequence.computed == 0) == (table.size() == 0), sequence, "waits and holds blocks");
        }
    }

    /** Of a sequence that was loaded whole, the last token counts as not computed: its logits are still to come. */
    private static boolean waitsLoaded(Sequence sequence) {
        return sequence.state == Sequence.State.WAITING || sequence.state == Sequence.State.PREEMPTED;
    }

    private static void check(boolean condition, Object who, String problem) {
        if (!condition) {
            throw new IllegalStateException("the scheduler's state is wrong: " + who + " " + problem);
        }
    }
}
