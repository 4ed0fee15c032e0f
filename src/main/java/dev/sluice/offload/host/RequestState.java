package dev.sluice.offload.host;

import dev.sluice.offload.KvConnector;

/** What the connector remembers of a request. */
final class RequestState {

    /** The first chunk that was not offered for storing yet. */
    int nextStored;

    /** What it found may be computed only with this step. */
    boolean admittedNow;

    /** The first chunk that was not fetched from a storage tier yet. */
    int fetchedTo;

    /** It has been counted as one that asks for its chunks. */
    boolean counted;

    /** When storage tiers were asked for it first, or first after it was preempted. */
    long askedNanos;

    long loadJob = KvConnector.NO_JOB;
}
