package dev.sluice.offload.host;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import dev.sluice.offload.OffloadListener;
import dev.sluice.testkit.LogLines;
import dev.sluice.testkit.VirtualClock;
import java.lang.reflect.Method;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class GuardedOffloadListenerTest {

    private final List<String> heard = new ArrayList<>();

    private final class Throwing implements OffloadListener {
        @Override
        public void onStored(String tier, long bytes, long nanos) {
            hear("onStored");
        }

        @Override
        public void onLoaded(String tier, long bytes, long nanos) {
            hear("onLoaded");
        }

        @Override
        public void onFailed(String tier, boolean load) {
            hear("onFailed");
        }

        private void hear(String call) {
            heard.add(call);
            throw new IllegalStateException("injected");
        }
    }

    @Test
    void whatAListenerThrowsEndsHereAndIsLoggedOnceAMinute() throws Exception {
        VirtualClock clock = new VirtualClock();
        OffloadListener guarded = GuardedOffloadListener.of(new Throwing(), clock);
        try (LogLines log = LogLines.recordThread()) {
            for (Method method : OffloadListener.class.getDeclaredMethods()) {
                if (method.getReturnType() == void.class) {
                    Object[] arguments = method.getParameterCount() == 2
                            ? new Object[] {"host", true}
                            : new Object[] {"host", 1L, 1L};
                    method.invoke(guarded, arguments);
                    method.invoke(guarded, arguments);
                    clock.advanceNanos(Duration.ofMinutes(1).toNanos());
                }
            }
            assertThat(heard).hasSize(6).contains("onStored", "onLoaded", "onFailed");
            assertThat(log.at(Level.ERROR)).as("of each minute the first").hasSize(3);
        }
    }
}
