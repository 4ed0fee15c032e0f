package dev.sluice.executor.cuda;

/** How many parts the keys of a decoding row may have: the host's side of {@code split.cuh}. */
final class DecodeSplits {

    private static final int SPLITS_MAX = 32;
    private static final int SPLIT_KEYS_MIN = 256;

    private DecodeSplits() {}

    /** Enough for every row of up to so many positions. */
    static int count(long longest) {
        return Math.clamp(Math.ceilDiv(longest, SPLIT_KEYS_MIN), 1, SPLITS_MAX);
    }
}
