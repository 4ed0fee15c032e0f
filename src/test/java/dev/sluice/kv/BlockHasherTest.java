package dev.sluice.kv;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/**
 * The hash of a block as other releases compute it: what lies on a disk or in a shared tier is known by it. The numbers are
 * SHA-256 by another implementation; whoever has to change them makes every stored block unfindable.
 */
class BlockHasherTest {

    private static final int[] TOKENS = {1, 2, 3, 4, 100_000, 0, Integer.MAX_VALUE, 7};
    private static final byte[] SALT = "mandant ä".getBytes(StandardCharsets.UTF_8);

    private final BlockHasher hasher = new BlockHasher(4, seed());

    private static byte[] seed() {
        byte[] seed = new byte[32];
        for (int i = 0; i < seed.length; i++) {
            seed[i] = (byte) i;
        }
        return seed;
    }

    @Test
    void theChainIsThatOfEarlierReleases() {
        BlockHash first = hasher.hash(null, TOKENS, 0, null);
        assertThat(first)
                .isEqualTo(new BlockHash(
                        0x1a551c246875184cL, 0x8e0fcd1371e15aebL, 0x4e73750f4e599100L, 0x8cd5db0e8543a387L));
        assertThat(hasher.hash(first, TOKENS, 4, null))
                .isEqualTo(new BlockHash(
                        0x222aef346ad05156L, 0x19a8f3cfea0962fdL, 0xc414f961e4749308L, 0x11f1620fd596355fL));
    }

    @Test
    void theSaltCountsInTheFirstBlockAndIsCarriedOn() {
        BlockHash first = hasher.hash(null, TOKENS, 0, SALT);
        assertThat(first)
                .isEqualTo(new BlockHash(
                        0x43320ba0367b949fL, 0xe92925f01f536c5bL, 0x3424f8fc315fb10bL, 0x797de74b48f9df05L));
        BlockHash second =
                new BlockHash(0x3bf92b12139f3518L, 0xc12f15a54d345bd5L, 0xfe96efa6e3b858b0L, 0x1a8c7ce3b8bfe88cL);
        assertThat(hasher.hash(first, TOKENS, 4, SALT)).isEqualTo(second);
        assertThat(hasher.hash(first, TOKENS, 4, null)).isEqualTo(second);
    }

    @Test
    void theFingerprintOfTheSeedIsThatOfEarlierReleases() {
        assertThat(hasher.seedFingerprint())
                .isEqualTo(new BlockHash(
                        0x9f1161d7acd38b69L, 0x936f2893313f206eL, 0xdb32d83407184942L, 0x2edcfc81568d640eL));
    }

    /** The way that sequences take: through a table, with a salt given as text. */
    @Test
    void aTablesChainIsTheSame() {
        BlockTable table = new BlockTable("mandant ä");
        table.extendHashes(hasher, TOKENS, TOKENS.length);
        assertThat(table.hashed()).isEqualTo(2);
        assertThat(table.hash(1))
                .isEqualTo(new BlockHash(
                        0x3bf92b12139f3518L, 0xc12f15a54d345bd5L, 0xfe96efa6e3b858b0L, 0x1a8c7ce3b8bfe88cL));
    }
}
