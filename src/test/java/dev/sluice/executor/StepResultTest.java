package dev.sluice.executor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.request.TokenLogprobs;
import org.junit.jupiter.api.Test;

class StepResultTest {

    private static final TokenLogprobs LOGPROBS = new TokenLogprobs(-1, new int[0], new float[0]);

    private final StepPlan plan = new StepPlan();
    private final StepResult result = new StepResult();

    private void addLine(long sequence, int count, int known) {
        ScheduledSequence line = plan.add(count);
        line.sequence = sequence;
        line.start = 0;
        line.tokenCount = known;
    }

    @Test
    void eachLineYieldsItsOwnTokensAndAPartOfAPrefillNone() {
        plan.begin(1);
        addLine(1, 2, 2);
        addLine(2, 2, 5);
        addLine(3, 4, 4);
        result.begin(plan);
        result.addToken(2, 30, LOGPROBS);
        result.addToken(0, 10, null);
        assertThat(result.count(0)).isEqualTo(1);
        assertThat(result.token(0, 0)).isEqualTo(10);
        assertThat(result.logprobs(0, 0)).isNull();
        assertThat(result.count(1)).isZero();
        assertThat(result.lastToken(1)).isEqualTo(StepResult.NO_TOKEN);
        assertThat(result.lastToken(2)).isEqualTo(30);
        assertThat(result.logprobs(2, 0)).isSameAs(LOGPROBS);
    }

    @Test
    void aLineYieldsNoMoreThanItMay() {
        plan.begin(1);
        addLine(1, 2, 2);
        addLine(2, 2, 5);
        addLine(3, 2, 2);
        result.begin(plan);
        result.addToken(0, 10, null);
        assertThatThrownBy(() -> result.addToken(0, 11, null)).hasMessageContaining("line 0");
        assertThatThrownBy(() -> result.addToken(1, 20, null)).hasMessageContaining("line 1");
        assertThat(result.count(2)).isZero();
    }

    @Test
    void nothingIsLeftOfTheStepBefore() {
        plan.begin(1);
        addLine(1, 2, 2);
        result.begin(plan);
        result.addToken(0, 10, LOGPROBS);
        result.setFailure(0, "failed");
        plan.begin(2);
        addLine(4, 2, 2);
        result.begin(plan);
        assertThat(result.step()).isEqualTo(2);
        assertThat(result.sequence(0)).isEqualTo(4);
        assertThat(result.count(0)).isZero();
        assertThat(result.failure(0)).isNull();
        result.addToken(0, 11, null);
        assertThat(result.logprobs(0, 0)).isNull();
    }

    @Test
    void aLineTakenOutOfAPlanLeavesTheOthersInTheirOrder() {
        plan.begin(1);
        addLine(1, 2, 2);
        addLine(2, 3, 3);
        addLine(3, 4, 4);
        plan.remove(1);
        assertThat(plan.size()).isEqualTo(2);
        assertThat(plan.tokenCount()).isEqualTo(6);
        assertThat(plan.get(0).sequence).isEqualTo(1);
        assertThat(plan.get(1).sequence).isEqualTo(3);
        addLine(4, 5, 5);
        assertThat(plan.get(1).sequence)
                .as("a line that is used again is nobody else's")
                .isEqualTo(3);
        assertThat(plan.get(2).sequence).isEqualTo(4);
    }
}
