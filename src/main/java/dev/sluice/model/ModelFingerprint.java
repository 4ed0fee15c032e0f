package dev.sluice.model;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * Tells models apart by what they compute: two that differ in shape, type or weights must not share stored keys and
 * values.
 *
 * <p>Of each tensor only both ends are read, so that a large model need not be read twice: training changes every matrix
 * nearly everywhere.
 */
public final class ModelFingerprint {

    private static final int END_BYTES = 4096;

    private ModelFingerprint() {}

    /** SHA-256, in hex, over the specification and over name, type, shape and both ends of each tensor, by name. */
    public static String of(Model model) {
        MessageDigest sha256 = sha256();
        text(sha256, model.spec().toString());
        model.weights().names().stream().sorted().forEach(name -> add(sha256, model.weights(), name));
        return HexFormat.of().formatHex(sha256.digest());
    }

    private static void add(MessageDigest sha256, WeightMap weights, String name) {
        Tensor tensor = weights.find(name);
        if (tensor == null) {
            throw TensorTable.missing(name);
        }
        text(sha256, name + tensor.type() + Arrays.toString(tensor.shape()));
        MemorySegment data = tensor.data();
        long end = Math.min(END_BYTES, data.byteSize());
        sha256.update(data.asSlice(0, end).toArray(ValueLayout.JAVA_BYTE));
        sha256.update(data.asSlice(data.byteSize() - end, end).toArray(ValueLayout.JAVA_BYTE));
    }

    private static void text(MessageDigest sha256, String text) {
        sha256.update(text.getBytes(StandardCharsets.UTF_8));
        sha256.update((byte) 0); // so that no two texts run together
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("SHA-256 is part of every JDK", e);
        }
    }
}
