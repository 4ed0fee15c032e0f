package dev.sluice.model.hub;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** What the bytes of a file must hash to. */
record Checksum(Kind kind, String hex) {

    enum Kind {
        /** Large files: the digest of the content. */
        SHA256("SHA-256"),
        /** Small files: git's id of the content, which starts with its length. */
        GIT_BLOB("SHA-1");

        private final String algorithm;

        Kind(String algorithm) {
            this.algorithm = algorithm;
        }
    }

    MessageDigest start(long size) {
        try {
            MessageDigest digest = MessageDigest.getInstance(kind.algorithm);
            if (kind == Kind.GIT_BLOB) {
                digest.update(("blob " + size + "\0").getBytes(StandardCharsets.US_ASCII));
            }
            return digest;
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java has " + kind.algorithm, e);
        }
    }
}
