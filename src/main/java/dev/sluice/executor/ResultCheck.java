package dev.sluice.executor;

import org.jspecify.annotations.Nullable;

/** Compares a result with the plan it answers before anybody believes it: no token may reach the wrong sequence. */
public final class ResultCheck {

    private ResultCheck() {}

    /** Why a result is not the answer to a plan; null if it is. */
    public static @Nullable String problem(StepPlan plan, @Nullable StepResult result) {
        if (result == null) {
            return "there is no result";
        }
        if (result.step() != plan.step()) {
            return "it answers step " + result.step();
        }
        if (result.size() != plan.size()) {
            return "it has " + result.size() + " lines, the plan " + plan.size();
        }
        for (int i = 0; i < plan.size(); i++) {
            if (result.sequence(i) != plan.get(i).sequence) {
                return "line " + i + " is about sequence " + result.sequence(i) + ", not about " + plan.get(i).sequence;
            }
        }
        return null;
    }
}
