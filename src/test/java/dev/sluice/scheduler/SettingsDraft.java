package dev.sluice.scheduler;

import dev.sluice.scheduler.SchedulerSettings.LoadFailurePolicy;
import dev.sluice.scheduler.SchedulerSettings.Policy;

/** Scheduler settings for tests: an ample budget, everything else as in production, changed one by one. */
final class SettingsDraft {

    private int maxSequences = 128;
    private int budget = 100_000;
    private int threshold;
    private boolean chunked = true;
    private Policy policy = Policy.FCFS;
    private boolean prefixCaching = true;
    private boolean gate = true;
    private double watermark;
    private LoadFailurePolicy loadFailurePolicy = LoadFailurePolicy.RECOMPUTE;
    private boolean overlap;
    private int contextLength;

    SettingsDraft(int contextLength) {
        this.contextLength = contextLength;
    }

    SettingsDraft maxSequences(int value) {
        maxSequences = value;
        return this;
    }

    SettingsDraft budget(int value) {
        budget = value;
        return this;
    }

    SettingsDraft threshold(int value) {
        threshold = value;
        return this;
    }

    SettingsDraft chunked(boolean value) {
        chunked = value;
        return this;
    }

    SettingsDraft policy(Policy value) {
        policy = value;
        return this;
    }

    SettingsDraft prefixCaching(boolean value) {
        prefixCaching = value;
        return this;
    }

    /** The full-sequence gate. */
    SettingsDraft gate(boolean value) {
        gate = value;
        return this;
    }

    SettingsDraft watermark(double value) {
        watermark = value;
        return this;
    }

    SettingsDraft onLoadFailure(LoadFailurePolicy value) {
        loadFailurePolicy = value;
        return this;
    }

    SettingsDraft overlap(boolean value) {
        overlap = value;
        return this;
    }

    SettingsDraft contextLength(int value) {
        contextLength = value;
        return this;
    }

    SchedulerSettings build() {
        return new SchedulerSettings(
                Math.min(maxSequences, budget),
                budget,
                threshold,
                chunked,
                policy,
                prefixCaching,
                gate,
                watermark,
                loadFailurePolicy,
                overlap,
                contextLength,
                4096,
                10);
    }
}
