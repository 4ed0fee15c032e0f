package dev.sluice.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.admission.AdmissionControl;
import dev.sluice.admission.AdmissionSettings;
import dev.sluice.admission.Decision.Permit;
import dev.sluice.testkit.VirtualClock;
import org.junit.jupiter.api.Test;

class AnswerRoomTest {

    private static final int KB = 1024;

    private final AdmissionControl admission =
            new AdmissionControl(new AdmissionSettings(10, 10, 1024 * KB), new VirtualClock());
    private final Permit permit = (Permit) admission.tryAdmit(1, 1, 100 * KB);
    private final AnswerRoom room = new AnswerRoom(permit, 100 * KB, 600 * KB);

    @Test
    void whatWasTakenIsUsedFirstAndThenMoreIsTaken() {
        room.grow(100 * KB);
        assertThat(admission.answerBytes()).isEqualTo(100 * KB);
        room.grow(1);
        assertThat(admission.answerBytes()).isEqualTo(164 * KB);
        room.grow(436 * KB);
        assertThat(admission.answerBytes()).isEqualTo(536 * KB + 1);
        permit.close();
        assertThat(admission.answerBytes()).isZero();
    }

    @Test
    void anAnswerThatGrowsTooLargeEndsAlone() {
        assertThatThrownBy(() -> room.grow(600 * KB + 1))
                .isInstanceOfSatisfying(
                        ApiException.class, e -> assertThat(e.error().status()).isEqualTo(400))
                .hasMessageContaining("more than the 614400 bytes");
        assertThat(admission.answerBytes()).isEqualTo(100 * KB);
    }

    @Test
    void oneForWhichNothingIsLeftEndsToo() {
        assertThat(admission.tryAdmit(1, 1, 900 * KB)).isInstanceOf(Permit.class);
        assertThatThrownBy(() -> room.grow(200 * KB))
                .isInstanceOfSatisfying(
                        ApiException.class, e -> assertThat(e.error().status()).isEqualTo(429));
    }

    @Test
    void unreadEventsTakeOnlyWhatIsSpare() {
        assertThat(room.growUnread(501 * KB)).isFalse(); // more than one call may have
        assertThat(room.growUnread(413 * KB)).isFalse(); // more than half of all
        assertThat(room.growUnread(412 * KB)).isTrue();
        assertThat(admission.answerBytes()).isEqualTo(512 * KB);
    }
}
