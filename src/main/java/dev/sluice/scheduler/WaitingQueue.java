package dev.sluice.scheduler;

import dev.sluice.scheduler.SchedulerSettings.Policy;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The sequences that wait for admission.
 *
 * <p>Two ordered queues: {@code capacity} for those that only lack room, {@code deferred} for those that could not be
 * tried for another reason. First-come order tries the deferred ones first; priority order compares the two heads.
 * Sequences skipped during a step are collected and return in front of the deferred ones, in their order.
 */
final class WaitingQueue {

    /** The order of the priority policy: priority, then arrival, then number. */
    static final Comparator<Sequence> BY_PRIORITY = Comparator.comparingInt(
                    (Sequence s) -> s.request().priority())
            .thenComparing((a, b) -> Long.signum(
                    a.request().arrivalNanos() - b.request().arrivalNanos())) // the clock may pass its largest number
            .thenComparingLong(Sequence::sequence);

    private static final Comparator<Sequence> BY_POSITION = Comparator.comparingLong(s -> s.queuePosition);

    private final Policy policy;
    private final TreeSet<Sequence> capacity;
    private final TreeSet<Sequence> deferred;
    private final List<Sequence> skipped = new ArrayList<>();
    private long front;
    private long back;

    WaitingQueue(Policy policy) {
        this.policy = policy;
        Comparator<Sequence> order = switch (policy) {
            case FCFS -> BY_POSITION;
            case PRIORITY -> BY_PRIORITY;
        };
        capacity = new TreeSet<>(order);
        deferred = new TreeSet<>(order);
    }

    boolean isEmpty() {
        return capacity.isEmpty() && deferred.isEmpty();
    }

    int waitingForCapacity() {
        return capacity.size();
    }

    int waitingDeferred() {
        return deferred.size();
    }

    /** A new sequence queues at the back. */
    void addLast(Sequence sequence) {
        sequence.queuePosition = ++back;
        capacity.add(sequence);
    }

    /** A preempted sequence goes before everything that waits for capacity. */
    void addFirst(Sequence sequence) {
        sequence.queuePosition = --front;
        capacity.add(sequence);
    }

    /** The sequence to try next; the queue must not be empty. */
    Sequence head() {
        if (deferred.isEmpty()) {
            return capacity.first();
        }
        if (capacity.isEmpty() || policy == Policy.FCFS) {
            return deferred.first();
        }
        Sequence a = deferred.first();
        Sequence b = capacity.first();
        return BY_PRIORITY.compare(a, b) < 0 ? a : b;
    }

    /** Takes a sequence out, wherever it waits; does nothing if it does not. */
    void remove(Sequence sequence) {
        if (!capacity.remove(sequence)) {
            deferred.remove(sequence);
        }
    }

    /** Sets the head aside for the rest of this step. */
    void skip(Sequence sequence) {
        remove(sequence);
        skipped.add(sequence);
    }

    /** Ends a step: what was skipped goes in front of the deferred ones. */
    void restoreSkipped() {
        for (int i = skipped.size() - 1; i >= 0; i--) {
            Sequence sequence = skipped.get(i);
            sequence.queuePosition = --front;
            deferred.add(sequence);
        }
        skipped.clear();
    }

    /** The last sequence, in the order of the queues, that holds blocks although it waits; null if there is none. */
    @Nullable
    Sequence lastHolderBut(Sequence head) {
        Sequence last = null;
        for (Iterable<Sequence> sequences : List.of(skipped, deferred, capacity)) {
            for (Sequence sequence : sequences) {
                boolean later = last == null || policy == Policy.FCFS || BY_PRIORITY.compare(sequence, last) > 0;
                if (sequence != head && sequence.holdsIdleBlocks() && later) {
                    last = sequence;
                }
            }
        }
        return last;
    }

    void forEach(Consumer<Sequence> action) {
        deferred.forEach(action);
        capacity.forEach(action);
    }
}
