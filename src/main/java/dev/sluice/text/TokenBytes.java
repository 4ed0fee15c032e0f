package dev.sluice.text;

import dev.sluice.model.ModelFormatException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import tools.jackson.databind.JsonNode;

/**
 * The bytes behind each id of a {@code tokenizer.json}, so that text can be put together byte by byte.
 *
 * <p>Two families are known: byte-level BPE, whose vocabulary is written in an alphabet of printable stand-ins for the 256
 * bytes (GPT-2), and vocabularies with {@code ▁} for a space and {@code <0xNN>} for single bytes (SentencePiece).
 */
final class TokenBytes {

    private static final int ID_MAX = 1 << 24;
    private static final byte[] NONE = {};

    private final byte[][] bytes;
    private final boolean[] special;
    private final boolean stripsLeadingSpace;

    private TokenBytes(byte[][] bytes, boolean[] special, boolean stripsLeadingSpace) {
        this.bytes = bytes;
        this.special = special;
        this.stripsLeadingSpace = stripsLeadingSpace;
    }

    int size() {
        return bytes.length;
    }

    /** No bytes for an id that the vocabulary leaves out. */
    byte[] bytes(int id) {
        return id >= 0 && id < bytes.length && bytes[id] != null ? bytes[id] : NONE;
    }

    boolean isSpecial(int id) {
        return id >= 0 && id < special.length && special[id];
    }

    /** Bytes of the longest token. */
    int longest() {
        int longest = 1;
        for (byte[] token : bytes) {
            longest = Math.max(longest, token == null ? 0 : token.length);
        }
        return longest;
    }

    /** True if the decoder drops one space at the very start of a text. */
    boolean stripsLeadingSpace() {
        return stripsLeadingSpace;
    }

    /** @throws ModelFormatException if the vocabulary is broken, or of a kind that is not known */
    static TokenBytes read(JsonNode tokenizer) {
        JsonNode vocabulary = tokenizer.path("model").path("vocab");
        if (!vocabulary.isObject()) {
            throw new ModelFormatException("tokenizer.json has no vocabulary that maps tokens to ids");
        }
        String decoders = decoderTypes(tokenizer.path("decoder"));
        boolean byteLevel = decoders.contains("ByteLevel");
        if (!byteLevel && !decoders.contains("ByteFallback")) {
            throw new ModelFormatException("tokenizer.json has a decoder that is not supported: " + decoders.strip());
        }
        int size = 0;
        for (Map.Entry<String, JsonNode> entry : vocabulary.properties()) {
            size = Math.max(size, id(entry.getValue()) + 1);
        }
        for (JsonNode added : tokenizer.path("added_tokens")) {
            size = Math.max(size, id(added.path("id")) + 1);
        }
        byte[][] bytes = new byte[size][];
        boolean[] special = new boolean[size];
        Map<Integer, Byte> alphabet = byteAlphabet();
        for (Map.Entry<String, JsonNode> entry : vocabulary.properties()) {
            int id = id(entry.getValue());
            if (bytes[id] != null) {
                throw new ModelFormatException("tokenizer.json gives id " + id + " to two tokens");
            }
            bytes[id] = byteLevel ? fromAlphabet(entry.getKey(), alphabet) : fromPiece(entry.getKey());
        }
        for (JsonNode added : tokenizer.path("added_tokens")) {
            String content = added.path("content").asString("");
            if (content.isEmpty()) {
                throw new ModelFormatException("tokenizer.json has an added token without content");
            }
            int id = id(added.path("id"));
            bytes[id] = byteLevel ? fromAlphabet(content, alphabet) : fromPiece(content);
            special[id] = added.path("special").asBoolean(false);
        }
        return new TokenBytes(bytes, special, !byteLevel && decoders.contains("Strip"));
    }

    private static int id(JsonNode node) {
        if (!node.isInt() || node.intValue() < 0 || node.intValue() >= ID_MAX) {
            throw new ModelFormatException("tokenizer.json has an id that is not between 0 and " + ID_MAX);
        }
        return node.intValue();
    }

    private static String decoderTypes(JsonNode decoder) {
        StringBuilder types = new StringBuilder(decoder.path("type").asString("")).append(' ');
        for (JsonNode part : decoder.path("decoders")) {
            types.append(part.path("type").asString("")).append(' ');
        }
        return types.toString();
    }

    /** GPT-2's alphabet: printable Latin-1 characters stand for themselves, the other bytes for 256, 257, ... */
    private static Map<Integer, Byte> byteAlphabet() {
        Map<Integer, Byte> alphabet = new HashMap<>();
        int next = 256;
        for (int b = 0; b < 256; b++) {
            boolean printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
            alphabet.put(printable ? b : next++, (byte) b);
        }
        return alphabet;
    }

    private static byte[] fromAlphabet(String token, Map<Integer, Byte> alphabet) {
        byte[] bytes = new byte[token.length()];
        for (int i = 0; i < bytes.length; i++) {
            Byte value = alphabet.get((int) token.charAt(i));
            if (value == null) {
                return token.getBytes(StandardCharsets.UTF_8); // not written in the alphabet: stands for itself
            }
            bytes[i] = value;
        }
        return bytes;
    }

    private static byte[] fromPiece(String token) {
        if (token.length() == 6 && token.startsWith("<0x") && token.endsWith(">")) {
            return new byte[] {(byte) Integer.parseInt(token.substring(3, 5), 16)};
        }
        return token.replace('\u2581', ' ').getBytes(StandardCharsets.UTF_8);
    }
}
