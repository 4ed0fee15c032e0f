package dev.sluice.text;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Turns ids into text one by one. A character whose bytes are spread over several ids comes out when it is complete;
 * what can no longer become a character comes out as U+FFFD. The pieces put together are what
 * {@link Tokenizer#decode} gives for all ids at once.
 */
public final class IncrementalDecoder {

    private final Tokenizer tokenizer;
    private final boolean skipSpecialTokens;
    private final CharsetDecoder utf8 = StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPLACE)
            .onUnmappableCharacter(CodingErrorAction.REPLACE);
    private byte[] pending = new byte[16]; // at most 3 bytes of an incomplete character, plus one token
    private int pendingCount;
    private boolean started;

    public IncrementalDecoder(Tokenizer tokenizer, boolean skipSpecialTokens) {
        this.tokenizer = tokenizer;
        this.skipSpecialTokens = skipSpecialTokens;
    }

    /** The text that this id completes; often empty, never half a character. */
    public String accept(int id) {
        if (skipSpecialTokens && tokenizer.isSpecial(id)) {
            return "";
        }
        byte[] bytes = tokenizer.bytes(id);
        if (pendingCount + bytes.length > pending.length) {
            pending = Arrays.copyOf(pending, pendingCount + bytes.length);
        }
        System.arraycopy(bytes, 0, pending, pendingCount, bytes.length);
        pendingCount += bytes.length;
        return decode(false);
    }

    /** What is left at the end: an incomplete character becomes U+FFFD. */
    public String finish() {
        return decode(true);
    }

    private String decode(boolean end) {
        ByteBuffer in = ByteBuffer.wrap(pending, 0, pendingCount);
        CharBuffer out = CharBuffer.allocate(pendingCount + 1);
        utf8.decode(in, out, end);
        if (end) {
            utf8.flush(out);
            utf8.reset();
        }
        pendingCount = in.remaining();
        in.get(pending, 0, pendingCount);
        String text = out.flip().toString();
        if (!started && !text.isEmpty()) {
            started = true;
            if (tokenizer.stripsLeadingSpace() && text.startsWith(" ")) {
                return text.substring(1);
            }
        }
        return text;
    }
}
