package dev.sluice.admission;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.admission.Decision.Permit;
import dev.sluice.admission.Decision.Reason;
import dev.sluice.admission.Decision.Rejected;
import dev.sluice.testkit.VirtualClock;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Test;

class AdmissionControlTest {

    private final VirtualClock clock = new VirtualClock();
    private final AdmissionControl door = new AdmissionControl(new AdmissionSettings(3, 100, 1000), clock);

    @Test
    void asManyComeInAsTheBoundSaysAndLeavingMakesRoom() {
        Permit first = (Permit) door.tryAdmit(2, 10, 4);
        assertThat(door.tryAdmit(1, 10, 4)).isInstanceOf(Permit.class);
        assertThat(door.tryAdmit(1, 10, 4))
                .isInstanceOfSatisfying(
                        Rejected.class, r -> assertThat(r.reason()).isEqualTo(Reason.QUEUE_FULL));
        first.close();
        first.close();
        assertThat(door.sequences()).isEqualTo(1);
        assertThat(door.tryAdmit(2, 10, 4)).isInstanceOf(Permit.class);
        assertThat(door.rejections(Reason.QUEUE_FULL)).isEqualTo(1);
    }

    @Test
    void waitingTokensAreBoundedButALargePromptAloneComesIn() {
        Permit large = (Permit) door.tryAdmit(1, 500, 4);
        assertThat(door.tryAdmit(1, 1, 4))
                .isInstanceOfSatisfying(
                        Rejected.class, r -> assertThat(r.reason()).isEqualTo(Reason.TOO_MANY_TOKENS));
        large.prefilled();
        assertThat(door.waitingTokens()).isZero();
        assertThat(door.tryAdmit(1, 100, 4)).isInstanceOf(Permit.class);
        large.close();
        assertThat(door.waitingTokens()).isEqualTo(100);
    }

    @Test
    void theMemoryOfAnswersIsBoundedAndGivenBackOnce() {
        Permit first = (Permit) door.tryAdmit(1, 1, 400);
        assertThat(door.tryAdmit(1, 1, 601))
                .isInstanceOfSatisfying(
                        Rejected.class, r -> assertThat(r.reason()).isEqualTo(Reason.ANSWERS_TOO_LARGE));
        assertThat(door.tryAdmit(1, 1, Long.MAX_VALUE)).isInstanceOf(Rejected.class);
        assertThat(first.takeSpareMemory(101)).isFalse(); // of that, half has to stay free
        assertThat(first.takeSpareMemory(100)).isTrue();
        assertThat(first.takeMemory(501)).isFalse();
        assertThat(first.takeMemory(500)).isTrue();
        assertThat(door.answerBytes()).isEqualTo(1000);
        first.close();
        first.close();
        assertThat(first.takeMemory(1)).isFalse();
        assertThat(door.answerBytes()).isZero();
        assertThat(door.sequences()).isZero();
    }

    @Test
    void anAnswerThatIsThereTakesMemoryAndNothingElse() {
        Permit held = (Permit) door.tryHold(600);
        assertThat(door.tryHold(401)).isInstanceOf(Rejected.class);
        assertThat(door.sequences()).isZero();
        assertThat(door.answerBytes()).isEqualTo(600);
        assertThat(door.tryAdmit(3, 1, 400)).isInstanceOf(Permit.class);
        held.close();
        held.close();
        assertThat(door.answerBytes()).isEqualTo(400);
    }

    @Test
    void whoDrainsLetsNobodyIn() {
        Permit inside = (Permit) door.tryAdmit(1, 1, 4);
        door.startDraining();
        assertThat(door.tryAdmit(1, 1, 4))
                .isInstanceOfSatisfying(
                        Rejected.class, r -> assertThat(r.reason()).isEqualTo(Reason.DRAINING));
        inside.close();
        assertThat(door.sequences()).isZero();
    }

    @Test
    void theAdviceWhenToComeBackStaysWithinAMinute() {
        for (int i = 0; i < 100; i++) {
            Permit permit = (Permit) door.tryAdmit(3, 1, 4);
            clock.advanceNanos(200_000_000_000L);
            permit.close();
        }
        door.tryAdmit(3, 1, 4);
        Rejected rejected = (Rejected) door.tryAdmit(1, 1, 4);
        assertThat(rejected.retryAfter().toSeconds()).isBetween(1L, 60L);
    }

    @Test
    void theBoundIsExactHoweverManyAsk() throws Exception {
        AdmissionControl busy = new AdmissionControl(new AdmissionSettings(50, 1_000_000, 1000), clock);
        try (var pool = Executors.newFixedThreadPool(8)) {
            List<Callable<Integer>> askers = new ArrayList<>();
            for (int t = 0; t < 8; t++) {
                askers.add(() -> {
                    int admitted = 0;
                    for (int i = 0; i < 2_000; i++) {
                        if (busy.tryAdmit(1, 3, 4) instanceof Permit permit) {
                            assertThat(busy.sequences()).isLessThanOrEqualTo(50);
                            if (i % 3 == 0) {
                                permit.prefilled();
                            }
                            permit.close();
                            admitted++;
                        }
                    }
                    return admitted;
                });
            }
            for (var asker : pool.invokeAll(askers)) {
                assertThat(asker.get()).isPositive();
            }
        }
        assertThat(busy.sequences()).isZero();
        assertThat(busy.waitingTokens()).isZero();
    }
}
