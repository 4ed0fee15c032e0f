package dev.sluice.text;

import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import dev.sluice.model.ModelFormatException;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The tokenizer of a {@code tokenizer.json}: encoding by Hugging Face's own library, decoding by the bytes of its
 * vocabulary.
 *
 * <p>The library is given the file without its special tokens, so that whatever a client types is ordinary text. In a
 * rendered template, the special tokens that the template itself wrote are found here and put in by id; the reference
 * splits at them before anything else, so the ids are the same. Text between two of them is encoded as one run, whoever
 * wrote its parts.
 */
public final class PretrainedTokenizer implements Tokenizer, AutoCloseable {

    /** A run takes time with the square of its length; at this length that is some microseconds for a character. */
    private static final int RUN_MAX = 512;

    private record Special(String content, int id, boolean stripsLeft, boolean stripsRight) {}

    static {
        // Without this the library asks the cloud for the machine's name, and tells its makers, at the first tokenizer.
        System.setProperty("OPT_OUT_TRACKING", "true");
    }

    /** Encoding reads, closing writes: the native tokenizer must not be deleted while somebody encodes. */
    private final ReadWriteLock lock = new ReentrantReadWriteLock();

    private long handle; // zero once it is deleted
    private final TokenBytes vocabulary;
    private final List<Special> specials;
    private final boolean needsShortRuns;

    private PretrainedTokenizer(long handle, TokenBytes vocabulary, List<Special> specials, boolean needsShortRuns) {
        this.handle = handle;
        this.needsShortRuns = needsShortRuns;
        this.vocabulary = vocabulary;
        this.specials = specials;
    }

    /** @throws ModelFormatException if the file is not a tokenizer that can be served */
    public static PretrainedTokenizer read(byte[] tokenizerJson) {
        JsonNode tokenizer;
        try {
            tokenizer = JsonMapper.shared().readTree(tokenizerJson);
        } catch (JacksonException e) {
            throw new ModelFormatException("tokenizer.json is not valid JSON", e);
        }
        if (!(tokenizer instanceof ObjectNode object)) {
            throw new ModelFormatException("tokenizer.json must hold a JSON object");
        }
        TokenBytes vocabulary = TokenBytes.read(tokenizer);
        boolean needsShortRuns = TokenizerRules.check(tokenizer);
        List<Special> specials = new ArrayList<>();
        object.set("added_tokens", withoutSpecials(object, specials));
        object.putNull("truncation");
        object.putNull("padding");
        object.putNull("decoder"); // decoding is done here
        try {
            LibUtils.checkStatus(); // loads it
            long handle = TokenizersLibrary.LIB.createTokenizerFromString(object.toString());
            return new PretrainedTokenizer(handle, vocabulary, specials, needsShortRuns);
        } catch (RuntimeException e) {
            throw new ModelFormatException("tokenizer.json is refused by the tokenizer library", e);
        }
    }

    /**
     * Takes the special tokens out. The library numbers added tokens that are not in the vocabulary in their order, so
     * such a one leaves a stand-in behind that nobody can type; otherwise the ones after it would change their ids.
     */
    private static ArrayNode withoutSpecials(ObjectNode tokenizer, List<Special> specials) {
        JsonNode vocabulary = tokenizer.path("model").path("vocab");
        String nobodyKnows = UUID.randomUUID().toString();
        ArrayNode kept = tokenizer.arrayNode();
        for (JsonNode added : tokenizer.path("added_tokens")) {
            if (!added.path("special").asBoolean(false)) {
                kept.add(added);
                continue;
            }
            String content = added.path("content").asString();
            int id = added.path("id").intValue();
            specials.add(new Special(
                    content,
                    id,
                    added.path("lstrip").asBoolean(false),
                    added.path("rstrip").asBoolean(false)));
            if (!vocabulary.has(content)) {
                kept.add(((ObjectNode) added.deepCopy()).put("content", nobodyKnows + id));
            }
        }
        return kept;
    }

    @Override
    public int vocabularySize() {
        return vocabulary.size();
    }

    @Override
    public int[] encode(String text, boolean addSpecialTokens) {
        if (text.isEmpty() && !addSpecialTokens) {
            return new int[0];
        }
        if (needsShortRuns && longestRun(text) > RUN_MAX) {
            throw new UnencodableTextException(
                    "has more than " + RUN_MAX
                            + " white space characters or digits in a row, which this model's tokenizer cannot read in good time");
        }
        long[] ids = nativeIds(wellFormed(text), addSpecialTokens);
        int[] result = new int[ids.length];
        for (int i = 0; i < ids.length; i++) {
            result[i] = Math.toIntExact(ids[i]);
        }
        return result;
    }

    /** Characters in the longest run of white space or of digits. */
    private static int longestRun(String text) {
        int longest = 0;
        int length = 0;
        int before = 0;
        for (int i = 0; i < text.length(); i += Character.charCount(text.codePointAt(i))) {
            int c = text.codePointAt(i);
            int kind = isNumber(c) ? 1 : isSpace(c) ? 2 : 0;
            length = kind == 0 ? 0 : kind == before ? length + 1 : 1;
            before = kind;
            longest = Math.max(longest, length);
        }
        return longest;
    }

    /** As {@code \p{N}} has it: digits of all scripts, and signs such as those of powers. */
    static boolean isNumber(int c) {
        int type = Character.getType(c);
        return type == Character.DECIMAL_DIGIT_NUMBER
                || type == Character.LETTER_NUMBER
                || type == Character.OTHER_NUMBER;
    }

    static boolean isSpace(int c) {
        return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == '\u0085';
    }

    /** Only the ids: the library's own Java class builds a string and a span of each token besides. */
    private long[] nativeIds(String text, boolean addSpecialTokens) {
        lock.readLock().lock();
        try {
            if (handle == 0) {
                throw new IllegalStateException("the tokenizer is closed");
            }
            long encoding = TokenizersLibrary.LIB.encode(handle, text, addSpecialTokens);
            try {
                return TokenizersLibrary.LIB.getTokenIds(encoding);
            } finally {
                TokenizersLibrary.LIB.deleteEncoding(encoding);
            }
        } finally {
            lock.readLock().unlock();
        }
    }

    @Override
    public int[] encode(RenderedPrompt prompt) {
        String text = prompt.text();
        IntStream.Builder ids = IntStream.builder();
        int from = 0;
        int at = 0;
        int range = 0;
        while (at < text.length()) {
            while (range < prompt.clientRanges().size()
                    && prompt.clientRanges().get(range).end() <= at) {
                range++;
            }
            int clientFrom = range < prompt.clientRanges().size()
                    ? prompt.clientRanges().get(range).start()
                    : text.length();
            if (clientFrom <= at) {
                at = prompt.clientRanges().get(range).end();
                continue;
            }
            Special special = specialAt(text, at, clientFrom);
            if (special == null) {
                at++;
                continue;
            }
            addPiece(text.substring(from, at), special.stripsLeft(), ids);
            ids.add(special.id());
            at += special.content().length();
            while (special.stripsRight() && at < text.length() && Character.isWhitespace(text.charAt(at))) {
                at++;
            }
            from = at;
        }
        addPiece(text.substring(from), false, ids);
        return ids.build().toArray();
    }

    /** The longest special token that starts here and ends before {@code end}. */
    private @Nullable Special specialAt(String text, int at, int end) {
        Special best = null;
        for (Special special : specials) {
            int length = special.content().length();
            if (at + length <= end
                    && (best == null || length > best.content().length())
                    && text.startsWith(special.content(), at)) {
                best = special;
            }
        }
        return best;
    }

    private void addPiece(String piece, boolean stripRight, IntStream.Builder ids) {
        Arrays.stream(encode(stripRight ? piece.stripTrailing() : piece, false)).forEach(ids::add);
    }

    @Override
    public String decode(int[] ids, boolean skipSpecialTokens) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (int id : ids) {
            if (!skipSpecialTokens || !isSpecial(id)) {
                bytes.writeBytes(bytes(id));
            }
        }
        String text = bytes.toString(StandardCharsets.UTF_8);
        return vocabulary.stripsLeadingSpace() && text.startsWith(" ") ? text.substring(1) : text;
    }

    @Override
    public byte[] bytes(int id) {
        return vocabulary.bytes(id);
    }

    @Override
    public boolean isSpecial(int id) {
        return vocabulary.isSpecial(id);
    }

    @Override
    public boolean stripsLeadingSpace() {
        return vocabulary.stripsLeadingSpace();
    }

    @Override
    public int longestTokenBytes() {
        return vocabulary.longest();
    }

    /** A surrogate without its partner is no character; native code must not see one. */
    private static String wellFormed(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (Character.isSurrogate(text.charAt(i))) {
                return new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
            }
        }
        return text;
    }

    @Override
    public void close() {
        lock.writeLock().lock();
        try {
            if (handle != 0) {
                TokenizersLibrary.LIB.deleteTokenizer(handle);
                handle = 0;
            }
        } finally {
            lock.writeLock().unlock();
        }
    }
}
