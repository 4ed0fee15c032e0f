package dev.sluice.request;

/** Where the scheduler hands a request's events back. One writer: the scheduler's thread. */
public interface TokenSink {

    /**
     * Takes one event, without blocking.
     *
     * @return false if the reader has stood still beyond its grace: the scheduler then cancels the request and still
     *     offers the terminal event, which must be accepted
     */
    boolean offer(TokenEvent event);
}
