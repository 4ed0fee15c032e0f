package dev.sluice.architecture.wrong.scheduler;

/** What others should leave alone. */
final class Sequence {
    int computed;
}
