package dev.sluice.model;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.exc.StreamConstraintsException;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.core.json.JsonReadFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** JSON and text as this room accepts them: UTF-8 only, bounded depth, no name twice in one object, nothing after the value. */
final class StrictJson {

    private static final int DEPTH_MAX = 32;
    private static final int NAME_LENGTH_MAX = 1_024;
    private static final int NUMBER_LENGTH_MAX = 64;
    private static final int STRING_LENGTH_MAX = 100_000_000; // metadata strings fill at most a header

    // Python writes NaN and Infinity into JSON; reading them lets the range checks name the key.
    private static final JsonFactory FACTORY = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(DEPTH_MAX)
                    .maxNameLength(NAME_LENGTH_MAX)
                    .maxNumberLength(NUMBER_LENGTH_MAX)
                    .maxStringLength(STRING_LENGTH_MAX)
                    .build())
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
            .build();

    private static final JsonMapper MAPPER = new JsonMapper(FACTORY);

    private StrictJson() {}

    /** A parser over bytes that are decoded strictly; the caller turns its exceptions into {@link #error}. */
    static JsonParser parser(InputStream bytes) {
        return FACTORY.createParser(ObjectReadContext.empty(), reader(bytes));
    }

    /** The object that fills a whole file. */
    static JsonNode object(String file, byte[] bytes) {
        try {
            JsonNode tree = MAPPER.readTree(reader(new ByteArrayInputStream(bytes)));
            if (!tree.isObject()) {
                throw new ModelFormatException(file + " is not a JSON object.");
            }
            return tree;
        } catch (JacksonException e) {
            throw error(file, e);
        }
    }

    /** A whole text file. */
    static String text(String file, byte[] bytes) {
        try {
            return decoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (CharacterCodingException e) {
            throw new ModelFormatException(file + " is not valid UTF-8.", e);
        }
    }

    static ModelFormatException error(String file, JacksonException cause) {
        if (hasCause(cause, CharacterCodingException.class)) {
            return new ModelFormatException(file + " is not valid UTF-8.", cause);
        }
        if (cause instanceof StreamConstraintsException) {
            return new ModelFormatException(
                    file + " exceeds a bound of the JSON reader: depth " + DEPTH_MAX + ", names of " + NAME_LENGTH_MAX
                            + " and numbers of " + NUMBER_LENGTH_MAX + " characters.",
                    cause);
        }
        String message = cause.getOriginalMessage();
        if (message != null && message.startsWith("Duplicate")) {
            return new ModelFormatException(file + " has a name twice in one object: " + Echo.of(message) + ".", cause);
        }
        return new ModelFormatException(file + " is not valid JSON" + place(cause) + ".", cause);
    }

    private static Reader reader(InputStream bytes) {
        // A decoder of our own: the default one replaces what it cannot read, and Jackson's would accept UTF-16.
        return new InputStreamReader(bytes, decoder());
    }

    private static CharsetDecoder decoder() {
        return StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT);
    }

    private static String place(JacksonException cause) {
        return cause.getLocation() == null
                ? ""
                : " at line " + cause.getLocation().getLineNr() + ", column "
                        + cause.getLocation().getColumnNr();
    }

    private static boolean hasCause(Throwable error, Class<? extends Throwable> type) {
        for (Throwable t = error; t != null; t = t.getCause()) {
            if (type.isInstance(t)) {
                return true;
            }
        }
        return false;
    }
}
