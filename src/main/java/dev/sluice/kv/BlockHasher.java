package dev.sluice.kv;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.DigestException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import org.jspecify.annotations.Nullable;

/**
 * Computes the chain of block hashes: SHA-256 over parent hash (or seed), the block's tokens, and, in the first block,
 * the salt.
 *
 * <p>A strong hash with a secret seed, because a predictable one lets a client construct collisions and read the cache
 * of others (CVE-2025-25183 in vLLM). Not safe for use by several threads.
 */
public final class BlockHasher {

    private static final VarHandle LONGS = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle INTS = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final int HASH_BYTES = 32;
    private static final byte[] FINGERPRINT_SALT = "seed fingerprint".getBytes(StandardCharsets.US_ASCII);

    private final int blockSize;
    private final byte[] seed;
    private final byte[] input;
    private final byte[] output = new byte[HASH_BYTES];
    private final MessageDigest sha256;

    /** @param seed 32 bytes; engines that share an external cache must share the seed */
    public BlockHasher(int blockSize, byte[] seed) {
        if (seed.length != HASH_BYTES) {
            throw new IllegalArgumentException("hash seed must have 32 bytes, has " + seed.length);
        }
        this.blockSize = blockSize;
        this.seed = seed.clone();
        input = new byte[HASH_BYTES + Integer.BYTES * blockSize];
        try {
            sha256 = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("SHA-256 is part of every JDK", e);
        }
    }

    public int blockSize() {
        return blockSize;
    }

    /** Tells seeds apart without telling anything about them. */
    public BlockHash seedFingerprint() {
        return hash(null, new int[blockSize], 0, FINGERPRINT_SALT);
    }

    /**
     * Hash of the block whose tokens are {@code tokens[from .. from + blockSize)}.
     *
     * @param parent hash of the block before; null for the first block
     * @param salt mixed into the first block only: the chain carries it further
     */
    public BlockHash hash(@Nullable BlockHash parent, int[] tokens, int from, byte @Nullable [] salt) {
        if (parent == null) {
            System.arraycopy(seed, 0, input, 0, HASH_BYTES);
        } else {
            LONGS.set(input, 0, parent.a());
            LONGS.set(input, 8, parent.b());
            LONGS.set(input, 16, parent.c());
            LONGS.set(input, 24, parent.d());
        }
        for (int i = 0; i < blockSize; i++) {
            INTS.set(input, HASH_BYTES + Integer.BYTES * i, tokens[from + i]);
        }
        sha256.update(input, 0, input.length);
        if (parent == null && salt != null) {
            sha256.update(salt, 0, salt.length);
        }
        try {
            sha256.digest(output, 0, HASH_BYTES);
        } catch (DigestException e) {
            throw new IllegalStateException("the output buffer has the digest's size", e);
        }
        return new BlockHash(
                (long) LONGS.get(output, 0), (long) LONGS.get(output, 8), (long) LONGS.get(output, 16), (long)
                        LONGS.get(output, 24));
    }
}
