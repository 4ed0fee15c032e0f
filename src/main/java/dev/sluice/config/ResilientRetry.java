package dev.sluice.config;

import dev.sluice.model.hub.HubRetry;
import io.github.resilience4j.retry.Retry;
import java.io.IOException;

/** Lets a Resilience4j retry guard the exchanges with a hub. */
record ResilientRetry(Retry retry) implements HubRetry {

    @Override
    public <T> T run(Attempt<T> attempt) throws IOException {
        try {
            return retry.executeCallable(attempt::run);
        } catch (IOException | RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException("an attempt throws nothing else", e);
        }
    }
}
