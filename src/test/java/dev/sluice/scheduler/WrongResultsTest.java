package dev.sluice.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.executor.ScheduledSequence;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.StepResult;
import dev.sluice.request.FailureKind;
import dev.sluice.request.FinishReason;
import dev.sluice.request.TokenEvent;
import dev.sluice.testkit.RecordingSink;
import java.util.function.BiFunction;
import java.util.function.IntUnaryOperator;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Executors that answer something else than they were asked: the step fails, and nobody gets a foreign token. */
class WrongResultsTest {

    enum Distortion implements BiFunction<StepPlan, StepResult, @Nullable StepResult> {
        FEWER_LINES {
            @Override
            public StepResult apply(StepPlan plan, StepResult result) {
                return lines(plan, plan.size() - 1, i -> i);
            }
        },
        MORE_LINES {
            @Override
            public StepResult apply(StepPlan plan, StepResult result) {
                return lines(plan, plan.size() + 1, i -> i % plan.size());
            }
        },
        NO_LINES {
            @Override
            public StepResult apply(StepPlan plan, StepResult result) {
                return lines(plan, 0, i -> i);
            }
        },
        OTHER_ORDER {
            @Override
            public StepResult apply(StepPlan plan, StepResult result) {
                return lines(plan, plan.size(), i -> plan.size() - 1 - i);
            }
        },
        ONE_TWICE {
            @Override
            public StepResult apply(StepPlan plan, StepResult result) {
                return lines(plan, plan.size(), i -> 0);
            }
        },
        ANOTHER_STEP {
            @Override
            public StepResult apply(StepPlan plan, StepResult result) {
                StepPlan other = copy(plan, plan.step() - 1, plan.size(), i -> i);
                StepResult answer = new StepResult();
                answer.begin(other);
                return answer;
            }
        },
        CLEARED {
            @Override
            public StepResult apply(StepPlan plan, StepResult result) {
                result.clear();
                return result;
            }
        },
        NOTHING {
            @Override
            public @Nullable StepResult apply(StepPlan plan, StepResult result) {
                return null;
            }
        };

        /** An answer with valid tokens to other lines than were asked for. */
        private static StepResult lines(StepPlan plan, int count, IntUnaryOperator line) {
            StepResult answer = new StepResult();
            answer.begin(copy(plan, plan.step(), count, line));
            for (int i = 0; i < count; i++) {
                answer.addToken(i, 1, null);
            }
            return answer;
        }

        private static StepPlan copy(StepPlan plan, long step, int count, IntUnaryOperator line) {
            StepPlan other = new StepPlan();
            other.begin(step);
            for (int i = 0; i < count; i++) {
                ScheduledSequence copied = other.add(1);
                copied.sequence = plan.get(line.applyAsInt(i)).sequence;
                copied.tokenCount = 1;
            }
            return other;
        }
    }

    private static Bench crowd(boolean overlap) {
        Bench bench = Bench.simulated(4, 64, s -> s.overlap(overlap).maxSequences(2));
        bench.add("a", bench.distinctPrompt(10), 6);
        bench.add("b", bench.distinctPrompt(10), 6);
        bench.add("waiting", bench.distinctPrompt(10), 6);
        return bench;
    }

    @ParameterizedTest
    @EnumSource(Distortion.class)
    void aResultThatDoesNotAnswerThePlanFailsTheStepAndNobodyElse(Distortion distortion) {
        for (boolean overlap : new boolean[] {false, true}) {
            Bench bench = crowd(overlap);
            bench.step();
            bench.distortion = distortion;
            bench.step();
            bench.distortion = (plan, result) -> result;
            assertThat(bench.snapshot().failedStepsInARow()).isEqualTo(1);
            for (String name : new String[] {"a", "b"}) {
                RecordingSink sink = bench.sinks.get(name);
                assertThat(sink.terminal())
                        .isInstanceOfSatisfying(
                                TokenEvent.Failed.class,
                                failed -> assertThat(failed.kind()).isEqualTo(FailureKind.INTERNAL));
                assertThat(sink.tokens())
                        .isEqualTo(bench.demanded(name).subList(0, sink.tokens().size()));
            }
            bench.runToEnd();
            assertThat(bench.sinks.get("waiting").tokens()).isEqualTo(bench.demanded("waiting"));
            assertThat(bench.sinks.get("waiting").finishReason()).isEqualTo(FinishReason.LENGTH);
            assertThat(bench.snapshot().failedStepsInARow()).isZero();
            assertThat(bench.free()).isEqualTo(63);
        }
    }

    /** The first step has nothing before it that would cover up for it. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void theVeryFirstResultIsComparedToo(boolean overlap) {
        Bench bench = crowd(overlap);
        bench.distortion = Distortion.OTHER_ORDER;
        bench.step();
        assertThat(bench.sinks.get("a").tokens()).isEmpty();
        assertThat(bench.sinks.get("b").tokens()).isEmpty();
        assertThat(bench.cache.pool().registered()).isZero();
    }

    @Test
    void logprobsGoToTheLineTheyBelongTo() {
        Bench bench = new Bench(4, 64, s -> s);
        bench.add("a", bench.distinctPrompt(5), 1);
        bench.add("b", bench.distinctPrompt(5), 1);
        java.util.Map<Integer, dev.sluice.request.TokenLogprobs> given = new java.util.HashMap<>();
        bench.distortion = (plan, result) -> {
            result.begin(plan);
            for (int i = 0; i < plan.size(); i++) {
                given.put(i, new dev.sluice.request.TokenLogprobs(-i - 1f, new int[] {i}, new float[] {-i - 1f}));
                result.addToken(i, Bench.TOKEN, given.get(i));
            }
            return result;
        };
        bench.step();
        assertThat(bench.sinks.get("a").logprobs()).containsExactly(given.get(0));
        assertThat(bench.sinks.get("b").logprobs()).containsExactly(given.get(1));
    }
}
