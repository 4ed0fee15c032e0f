package dev.sluice.engine;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Whatever ends the loading reaches those that wait for it: a start that waits for ever is worse than one that fails. */
@Timeout(value = 20, threadMode = Timeout.ThreadMode.SEPARATE_THREAD, unit = TimeUnit.SECONDS)
class EngineLoaderTest {

    @Test
    void anErrorIsThrownToAllWhoWait() {
        for (Error failure : new Error[] {
            new UnsatisfiedLinkError("no library"), new StackOverflowError(), new OutOfMemoryError("heap")
        }) {
            EngineLoader loader = EngineLoader.start(
                    () -> {
                        throw failure;
                    },
                    model -> {
                        throw new AssertionError("there is no model");
                    });
            assertThatThrownBy(loader::model).isSameAs(failure);
            assertThatThrownBy(loader::executor).isSameAs(failure);
        }
    }

    @Test
    void anExceptionIsThrownToAllWhoWait() {
        IllegalArgumentException failure = new IllegalArgumentException("the model is broken");
        EngineLoader loader = EngineLoader.start(
                () -> {
                    throw failure;
                },
                model -> {
                    throw new AssertionError("there is no model");
                });
        assertThatThrownBy(loader::model).isSameAs(failure);
        assertThatThrownBy(loader::executor).isSameAs(failure);
    }
}
