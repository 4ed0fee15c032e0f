package dev.sluice.engine;

import java.lang.invoke.MethodHandles;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.context.ApplicationContextInitializer;
import org.springframework.context.ConfigurableApplicationContext;

/**
 * What SIGTERM and SIGINT do. The first begins an orderly end, as ever. The second cuts the drain short, and the process is
 * gone two seconds later, whatever still hangs; the third ends it at once. The virtual machine by itself ignores all but the
 * first.
 *
 * <p>The class for signals is part of every JDK but not of Java's specification, and the compiler warns of it; so it is
 * looked up by name, and where it is missing, nothing changes.
 */
public final class EndSignals implements ApplicationContextInitializer<ConfigurableApplicationContext> {

    private static final Logger LOG = LoggerFactory.getLogger(EndSignals.class);
    private static final List<String> NAMES = List.of("TERM", "INT");
    private static final int KILLED_BY = 128; // the exit code of what a signal has ended, plus its number
    private static final int TERM = 15;
    private static final int INT = 2;
    private static final long HURRY_MILLIS = 2_000;

    private final AtomicInteger received = new AtomicInteger();
    private final AtomicReference<Runnable> hurry = new AtomicReference<>(() -> {});

    /** Takes the signals over; once in a process. */
    public static EndSignals install() {
        EndSignals signals = new EndSignals();
        for (String name : NAMES) {
            signals.take(name);
        }
        return signals;
    }

    @Override
    public void initialize(ConfigurableApplicationContext context) {
        context.getBeanFactory().registerSingleton("endSignals", this);
    }

    /** @param whatToDo at the second signal, and soon */
    public void onSecond(Runnable whatToDo) {
        hurry.set(whatToDo);
    }

    private void take(String name) {
        try {
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            Object ignore = handler.getField("SIG_IGN").get(null);
            InvocationHandler calls = (proxy, method, arguments) -> {
                if (method.getDeclaringClass() == handler) {
                    receive(name.equals("INT") ? INT : TERM);
                    return null;
                }
                return InvocationHandler.invokeDefault(proxy, method, arguments);
            };
            Object ours = Proxy.newProxyInstance(
                    MethodHandles.lookup().lookupClass().getClassLoader(), new Class<?>[] {handler}, calls);
            Method handle = signal.getMethod("handle", signal, handler);
            Object one = signal.getConstructor(String.class).newInstance(name);
            Object before = handle.invoke(null, one, ours);
            if (ignore.equals(before)) {
                handle.invoke(null, one, ignore); // as nohup and shells in the background ask for
            }
        } catch (ReflectiveOperationException | IllegalArgumentException e) {
            LOG.debug("A second SIG{} will change nothing", name, e);
        }
    }

    /** On a thread of its own for each signal. */
    private void receive(int number) {
        switch (received.incrementAndGet()) {
            case 1 -> System.exit(KILLED_BY + number);
            case 2 -> {
                LOG.warn("A second signal: the process ends now");
                hurry.get().run();
                try {
                    TimeUnit.MILLISECONDS.sleep(HURRY_MILLIS);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
                Runtime.getRuntime().halt(KILLED_BY + number);
            }
            default -> Runtime.getRuntime().halt(KILLED_BY + number);
        }
    }
}
