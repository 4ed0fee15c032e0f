package dev.sluice.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.request.PrefillRecord;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Which prompt tokens are computed for the first time, and which again and why, for a prompt of 40. */
class PromptLedgerTest {

    private final List<String> told = new ArrayList<>();
    private final LifecycleListener listener = new LifecycleListener() {
        @Override
        public void onPromptWork(RequestTimeline request, PromptWork outcome, int tokens) {
            told.add(outcome + " " + tokens);
        }
    };
    private final RequestTimeline timeline = Timelines.finished(new PrefillRecord(40, 0, 0), 1);
    private final PromptLedger ledger = new PromptLedger();

    private void computed(int start, int end) {
        ledger.computed(start, end, 40, listener, timeline);
    }

    private void answered() {
        ledger.settle(PromptWork.ANSWERED, listener, timeline);
    }

    @Test
    void whatWasNeverThereIsAnsweredOnce() {
        ledger.admitted(16);
        computed(16, 30);
        computed(30, 40);
        computed(40, 41);
        answered();
        answered();
        assertThat(told).containsExactly("ANSWERED 24");
    }

    @Test
    void whatALoadWasToBringIsToldAsThat() {
        ledger.admitted(32);
        ledger.lost(16, 32);
        computed(16, 40);
        answered();
        assertThat(told).containsExactly("RECOMPUTED_AFTER_FAILED_LOAD 16", "ANSWERED 8");
    }

    @Test
    void whatLayBesideTheLossIsLostByPreemption() {
        ledger.admitted(32);
        ledger.lost(16, 24);
        computed(8, 40);
        assertThat(told).containsExactly("RECOMPUTED_AFTER_FAILED_LOAD 8", "RECOMPUTED_AFTER_PREEMPTION 16");
    }

    @Test
    void twoLossesAreOneFromTheFirstToTheLast() {
        ledger.admitted(32);
        ledger.lost(16, 24);
        ledger.lost(8, 12);
        computed(8, 40);
        answered();
        assertThat(told)
                .containsExactly("RECOMPUTED_AFTER_FAILED_LOAD 16", "RECOMPUTED_AFTER_PREEMPTION 8", "ANSWERED 8");
    }

    @Test
    void aLossThatWasMadeGoodIsOver() {
        ledger.admitted(32);
        ledger.lost(16, 32);
        computed(16, 40);
        told.clear();
        computed(16, 40);
        assertThat(told).containsExactly("RECOMPUTED_AFTER_PREEMPTION 24");
    }
}
