package dev.sluice.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.mockito.Mockito.mock;
import static org.mockito.Mockito.mockingDetails;

import dev.sluice.request.PrefillRecord;
import dev.sluice.scheduler.LifecycleListener;
import dev.sluice.scheduler.RequestTimeline;
import dev.sluice.scheduler.Timelines;
import java.lang.reflect.Method;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class CompletionLogTest {

    @Test
    void theRecorderBehindItHearsEveryCall() throws Exception {
        LifecycleListener recorder = mock(LifecycleListener.class);
        CompletionLog log = new CompletionLog(recorder);
        for (Method method : LifecycleListener.class.getDeclaredMethods()) {
            method.invoke(
                    log,
                    Stream.of(method.getParameterTypes())
                            .map(CompletionLogTest::argument)
                            .toArray());
        }
        assertThat(mockingDetails(recorder).getInvocations().stream()
                        .map(call -> call.getMethod().getName())
                        .toList())
                .containsExactlyElementsOf(Stream.of(LifecycleListener.class.getDeclaredMethods())
                        .map(Method::getName)
                        .toList());
    }

    private static Object argument(Class<?> type) {
        if (type == RequestTimeline.class) {
            return Timelines.finished(new PrefillRecord(5, 0, 0), 1);
        }
        if (type == PrefillRecord.class) {
            return new PrefillRecord(5, 0, 0);
        }
        if (type.isEnum()) {
            return type.getEnumConstants()[0];
        }
        return type == boolean.class ? (Object) true : type == long.class ? (Object) 1L : (Object) 1;
    }
}
