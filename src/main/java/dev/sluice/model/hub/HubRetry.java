package dev.sluice.model.hub;

import java.io.IOException;

/** How often and how patiently an exchange with the hub is tried again after an {@link IOException}. */
public interface HubRetry {

    /** One exchange; a download continues where the attempt before it stopped. */
    @FunctionalInterface
    interface Attempt<T> {
        T run() throws IOException;
    }

    <T> T run(Attempt<T> attempt) throws IOException;

    /** Tries at once up to that many times; for tests, and where nothing more patient is at hand. */
    static HubRetry times(int attempts) {
        return new HubRetry() {
            @Override
            public <T> T run(Attempt<T> attempt) throws IOException {
                for (int left = attempts; left > 1; left--) {
                    try {
                        return attempt.run();
                    } catch (IOException tryAgain) {
                        // The last attempt below reports its own failure.
                    }
                }
                return attempt.run();
            }
        };
    }
}
