package dev.sluice.scheduler;

import dev.sluice.request.FailureKind;
import dev.sluice.request.FinishReason;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.TokenEvent;
import dev.sluice.request.TokenSink;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.BiConsumer;

/**
 * What arrives from outside between two turns: many producers, one consumer.
 *
 * <p>Submissions are bounded and refused when full. Cancellations are never refused; they merge by id, so they are
 * bounded by what can be in flight. A cancellation follows its submission in program order, so taking the cancellations
 * first and the submissions second never loses one.
 */
final class Inbox {

    /** A request and where its events go. */
    record Submission(GenerationRequest request, TokenSink sink) {}

    private final BlockingQueue<Submission> submissions;
    private final Map<String, FinishReason> cancellations = new ConcurrentHashMap<>();
    private final ConcurrentLinkedQueue<Runnable> commands = new ConcurrentLinkedQueue<>();
    private final List<Submission> taken = new ArrayList<>();
    private final List<Map.Entry<String, FinishReason>> cancelled = new ArrayList<>();

    Inbox(int capacity) {
        submissions = new ArrayBlockingQueue<>(capacity);
    }

    boolean submit(GenerationRequest request, TokenSink sink) {
        return submissions.offer(new Submission(request, sink));
    }

    void cancel(String id, FinishReason reason) {
        cancellations.putIfAbsent(id, reason);
    }

    /** Has something done on the scheduler's thread. */
    void execute(Runnable command) {
        commands.add(command);
    }

    boolean isEmpty() {
        return submissions.isEmpty() && cancellations.isEmpty() && commands.isEmpty();
    }

    /** Answers every waiting submission with a failure; safe beside other threads that do the same. */
    void refuseAll(FailureKind kind, String message) {
        for (Submission next = submissions.poll(); next != null; next = submissions.poll()) {
            next.sink().offer(new TokenEvent.Failed(kind, message));
        }
    }

    /** Hands everything over; returns how many things there were. */
    int drain(BiConsumer<GenerationRequest, TokenSink> onSubmit, BiConsumer<String, FinishReason> onCancel) {
        if (isEmpty()) {
            return 0;
        }
        for (Iterator<Map.Entry<String, FinishReason>> i =
                        cancellations.entrySet().iterator();
                i.hasNext(); ) {
            cancelled.add(i.next());
            i.remove();
        }
        submissions.drainTo(taken);
        int count = taken.size() + cancelled.size();
        for (Submission submission : taken) {
            onSubmit.accept(submission.request(), submission.sink());
        }
        for (Map.Entry<String, FinishReason> entry : cancelled) {
            onCancel.accept(entry.getKey(), entry.getValue());
        }
        taken.clear();
        cancelled.clear();
        for (Runnable command = commands.poll(); command != null; command = commands.poll()) {
            command.run();
            count++;
        }
        return count;
    }
}
