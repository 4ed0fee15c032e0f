package dev.sluice.offload;

import java.util.Locale;

/** The tiers beyond the device, the faster first. */
public enum Tier {
    HOST,
    STORAGE;

    /** As metrics and answers spell it. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
