package dev.sluice.request;

/** Whose fault a failure is, and so what the client is told. */
public enum FailureKind {
    /** The request itself cannot be served, now or ever. */
    INVALID_REQUEST,
    /** No room to wait; worth another try later. */
    OVERLOADED,
    /** A deadline passed. */
    DEADLINE,
    /** The server is going away. */
    DRAINING,
    /** The reader of the stream stood still for too long. */
    SLOW_READER,
    /** Our fault, or the device's. */
    INTERNAL
}
