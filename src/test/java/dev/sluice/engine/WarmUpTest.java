package dev.sluice.engine;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.executor.sim.FaultPlan;
import dev.sluice.executor.sim.SimulatedExecutor;
import dev.sluice.kv.KvLayout;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The simulator checks the steps of the warm-up as it checks those of the loop. */
class WarmUpTest {

    @ParameterizedTest
    @CsvSource({"100, 16, 1600", "2, 1, 2", "1, 16, 16", "9, 1, 9"})
    void generatesOnWhateverCacheThereIs(int blocks, int blockSize, int context) {
        assertThatCode(() -> WarmUp.run(executor(blocks, blockSize, context, FaultPlan.NONE)))
                .doesNotThrowAnyException();
    }

    @Test
    void anExecutorThatCannotGenerateStopsTheStart() {
        FaultPlan faults = new FaultPlan() {
            @Override
            public boolean failsSequence(long step, long sequence) {
                return true;
            }
        };
        assertThatThrownBy(() -> WarmUp.run(executor(100, 16, 1600, faults)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("the first generation failed");
    }

    private static SimulatedExecutor executor(int blocks, int blockSize, int context, FaultPlan faults) {
        return new SimulatedExecutor(
                SimulatedExecutor.spec(1000, context, new KvLayout(blocks + 1, blockSize)), faults);
    }
}
