package dev.sluice.kv;

/**
 * Content address of a block: 256-bit chain hash over everything from the start of the sequence to the block's end, so
 * that equal hashes mean equal whole prefixes, salt included.
 */
public record BlockHash(long a, long b, long c, long d) {

    @Override
    public int hashCode() {
        return (int) (a ^ (a >>> 32)); // the bits are uniform already
    }
}
