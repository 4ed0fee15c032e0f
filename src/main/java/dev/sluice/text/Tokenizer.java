package dev.sluice.text;

/** Text to token ids and back, exactly as the model was trained. Safe for use by many threads. */
public interface Tokenizer {

    /** Number of ids, added tokens included. */
    int vocabularySize();

    /**
     * Encodes text whose control tokens stay ordinary text: {@code <|im_end|>} typed by a client is never the token.
     *
     * @param addSpecialTokens let the tokenizer's post-processor add its own (usually a begin-of-sequence token)
     * @throws UnencodableTextException if the text could take too long
     */
    int[] encode(String text, boolean addSpecialTokens);

    /** Encodes a rendered template: control tokens count where the template wrote them, nowhere else. */
    int[] encode(RenderedPrompt prompt);

    /** The whole text of the ids; broken UTF-8 becomes U+FFFD. */
    String decode(int[] ids, boolean skipSpecialTokens);

    /** The exact bytes an id stands for in running text. */
    byte[] bytes(int id);

    /** True for control tokens, which {@code skipSpecialTokens} leaves out. */
    boolean isSpecial(int id);

    /** True if a decoded text loses one space at its very start (SentencePiece). */
    boolean stripsLeadingSpace();

    /** Bytes of the longest token: a text of more than n times as many bytes has more than n tokens. */
    int longestTokenBytes();
}
