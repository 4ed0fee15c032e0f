package dev.sluice.engine;

import dev.sluice.engine.EngineStatus.Stage;
import dev.sluice.runtime.Threads;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.boot.SpringApplication;
import org.springframework.context.ConfigurableApplicationContext;

/** Ends the process when the engine cannot go on: in order if that works within seconds, at once if not. */
public final class EngineExit {

    private static final Logger LOG = LoggerFactory.getLogger(EngineExit.class);
    private static final long ORDERLY_MILLIS = 8_000; // below the ten seconds after which operators expect it gone
    private static final int EXIT_CODE = 1;

    private final ConfigurableApplicationContext context;
    private final EngineState state;

    public EngineExit(ConfigurableApplicationContext context, EngineState state) {
        this.context = context;
        this.state = state;
    }

    /** The scheduler's loop has died; called on its thread, which must not be waited for from here. */
    public void engineFailed(Throwable cause) {
        state.enter(Stage.DEAD);
        exit("The engine has failed; the process ends");
    }

    /** The start has failed; the reason is one sentence for the operator, and the last line of the log. */
    void startFailed(String reason) {
        state.enter(Stage.DEAD);
        exit("Sluice cannot start: " + reason);
    }

    /** Says why when the context is closed, since until then other beans may still write lines of their own start and end. */
    private void exit(String reason) {
        AtomicBoolean said = new AtomicBoolean();
        Runnable say = () -> {
            if (said.compareAndSet(false, true)) {
                LOG.error(reason);
            }
        };
        Thread orderly = Threads.named("sluice-exit", () -> {
            int code = SpringApplication.exit(context, () -> EXIT_CODE);
            say.run();
            System.exit(code);
        });
        // Closing the context ends all other such threads, and the process must not end with them.
        orderly.setDaemon(false);
        orderly.start();
        Threads.named("sluice-exit-timer", () -> {
                    try {
                        orderly.join(ORDERLY_MILLIS);
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                    say.run();
                    Runtime.getRuntime().halt(EXIT_CODE);
                })
                .start();
    }
}
