package dev.sluice.engine;

import dev.sluice.admission.AdmissionControl;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.model.Model;
import dev.sluice.scheduler.ContinuousBatchingScheduler;
import dev.sluice.text.PromptEncoder;
import java.util.List;

/**
 * Everything that answers requests, from the loaded model on.
 *
 * @param modelNames what the model can be called; the first is its own name, which metrics carry
 */
public record Engine(
        List<String> modelNames,
        Model model,
        PromptEncoder encoder,
        ModelExecutor executor,
        AdmissionControl admission,
        ContinuousBatchingScheduler scheduler) {

    /** Longest prompt plus output, in tokens. */
    public int contextLength() {
        return executor.spec().contextLength();
    }

    /** Token ids are below this. */
    public int vocabularySize() {
        return executor.spec().vocabularySize();
    }

    /** What computes: {@code cpu}, {@code cuda} or {@code simulator}. */
    public String executorName() {
        return executor.spec().name();
    }
}
