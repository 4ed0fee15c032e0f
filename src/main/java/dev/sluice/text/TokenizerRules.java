package dev.sluice.text;

import dev.sluice.model.ModelFormatException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * The rules that a {@code tokenizer.json} must keep before the library is given it. A model's files are data from elsewhere:
 * whatever they say, tokenizing takes time and memory in proportion to the text, and no pattern ends the process.
 */
final class TokenizerRules {

    private static final int STEPS_MAX = 32; // in one pipeline
    private static final int DEPTH_MAX = 4;
    private static final int GROWTH_MAX = 64; // above the largest Unicode form, lower case, and three bytes for a space
    private static final int REPLACE_GROWTH_MAX = 8;
    private static final int PREPEND_BYTES_MAX = 64;
    private static final int TEMPLATE_PIECES_MAX = 16;

    /** How many times longer, in UTF-8, each kind of normalizer makes a text at most. */
    private static final Map<String, Double> NORMALIZERS = Map.ofEntries(
            Map.entry("NFC", 3.0),
            Map.entry("NFD", 3.0),
            Map.entry("NFKC", 11.0),
            Map.entry("NFKD", 11.0),
            Map.entry("Lowercase", 1.5),
            Map.entry("BertNormalizer", 7.5), // accents apart, lower case, and spaces around ideographs
            Map.entry("ByteLevel", 2.0),
            Map.entry("Strip", 1.0),
            Map.entry("StripAccents", 1.0),
            Map.entry("Nmt", 1.0),
            Map.entry("Prepend", 1.0),
            Map.entry("Replace", 1.0));

    /** These leave characters out, so that two runs may become one. */
    private static final Set<String> REMOVING = Set.of("BertNormalizer", "StripAccents", "Nmt");

    private static final Map<String, Integer> PRE_TOKENIZERS = Map.ofEntries(
            Map.entry("ByteLevel", 2),
            Map.entry("Metaspace", 2),
            Map.entry("Split", 1),
            Map.entry("Whitespace", 1),
            Map.entry("WhitespaceSplit", 1),
            Map.entry("BertPreTokenizer", 1),
            Map.entry("CharDelimiterSplit", 1),
            Map.entry("Punctuation", 1),
            Map.entry("Digits", 1),
            Map.entry("UnicodeScripts", 1),
            Map.entry("FixedLength", 1));

    private double growth = 1;
    private double replaceGrowth = 1;
    private boolean unicodeForm; // the text is in one since the last change
    private int steps;
    private int growingPreTokenizers;
    private boolean needsShortRuns;
    private boolean joinsRuns; // a normalizer may make runs longer than they are in the text, where they are bounded

    private TokenizerRules() {}

    /**
     * @return true if tokenizing is fast only where runs of white space and digits are short
     * @throws ModelFormatException naming the field, what it holds and the rule
     */
    static boolean check(JsonNode tokenizer) {
        TokenizerRules rules = new TokenizerRules();
        rules.normalizer(tokenizer.path("normalizer"), "normalizer", 0);
        rules.steps = 0;
        rules.preTokenizer(tokenizer.path("pre_tokenizer"), "pre_tokenizer", 0);
        rules.postProcessor(tokenizer.path("post_processor"), "post_processor", 0);
        String type = tokenizer.path("model").path("type").asString("BPE");
        require(type.equals("BPE"), "model.type", type, "must be BPE");
        require(
                tokenizer.path("model").path("dropout").isMissingNode()
                        || tokenizer.path("model").path("dropout").isNull(),
                "model.dropout",
                null,
                "must be null: the same text must give the same tokens");
        return rules.needsShortRuns;
    }

    private static void require(boolean rule, String field, @Nullable String value, String otherwise) {
        if (!rule) {
            String shown = value == null ? "" : " \"" + SplitPattern.shortened(value) + "\"";
            throw new ModelFormatException("tokenizer.json: " + field + shown + " " + otherwise + ".");
        }
    }

    private String type(JsonNode node, String field, int depth) {
        require(node.isObject(), field, null, "must be an object or null");
        require(depth <= DEPTH_MAX, field, null, "is more than " + DEPTH_MAX + " sequences deep");
        require(++steps <= STEPS_MAX, field, null, "is one of more than " + STEPS_MAX + " steps");
        return node.path("type").asString("");
    }

    private void normalizer(JsonNode node, String field, int depth) {
        if (node.isMissingNode() || node.isNull()) {
            return;
        }
        String type = type(node, field, depth);
        if (type.equals("Sequence")) {
            int i = 0;
            for (JsonNode part : node.path("normalizers")) {
                normalizer(part, field + ".normalizers[" + i++ + "]", depth + 1);
            }
            return;
        }
        Double factor = NORMALIZERS.get(type);
        if (factor == null) {
            require(false, field, type, "is a normalizer that is not served");
            return;
        }
        boolean isForm = type.startsWith("NF");
        growth *= isForm && unicodeForm ? 1 : factor; // a form of a form is no longer
        unicodeForm = isForm;
        if (type.equals("Prepend")) {
            String text = node.path("prepend").asString("");
            require(bytes(text) <= PREPEND_BYTES_MAX, field + ".prepend", text, "has more than 64 bytes");
        }
        if (type.equals("Replace")) {
            replace(node, field);
        }
        joinsRuns |= REMOVING.contains(type);
        require(growth <= GROWTH_MAX, field, type, "lets a text grow more than " + GROWTH_MAX + "-fold");
    }

    private void replace(JsonNode node, String field) {
        String literal = pattern(node.path("pattern"), field + ".pattern");
        String content = node.path("content").asString("");
        int added = bytes(content);
        joinsRuns |= content.isEmpty()
                || content.codePoints()
                        .anyMatch(c -> PretrainedTokenizer.isSpace(c) || PretrainedTokenizer.isNumber(c));
        // A regular expression may match one byte, or none between any two.
        double factor = literal == null ? 1.0 + added : Math.max(1, (double) added / bytes(literal));
        growth *= factor;
        replaceGrowth *= factor;
        require(
                replaceGrowth <= REPLACE_GROWTH_MAX,
                field,
                "Replace",
                "lets a text grow more than " + REPLACE_GROWTH_MAX + "-fold");
    }

    /** Checks a pattern; its text if it is no regular expression, otherwise null. */
    private @Nullable String pattern(JsonNode pattern, String field) {
        JsonNode literal = pattern.path("String");
        if (literal.isString()) {
            require(!literal.stringValue().isEmpty(), field + ".String", null, "is empty");
            return literal.stringValue();
        }
        JsonNode regex = pattern.path("Regex");
        require(regex.isString(), field, null, "must have String or Regex");
        try {
            boolean shortRuns = SplitPattern.parse(regex.stringValue()).needsShortRuns();
            if (shortRuns && joinsRuns) {
                throw new IllegalArgumentException(
                        "needs short runs of white space and digits, which the normalizer" + " may make longer");
            }
            needsShortRuns |= shortRuns;
        } catch (IllegalArgumentException e) {
            require(
                    false,
                    field + ".Regex",
                    regex.stringValue(),
                    e.getMessage() + ": it could take too long on some texts, or end the process");
        }
        return null;
    }

    private void preTokenizer(JsonNode node, String field, int depth) {
        if (node.isMissingNode() || node.isNull()) {
            return;
        }
        String type = type(node, field, depth);
        if (type.equals("Sequence")) {
            int i = 0;
            for (JsonNode part : node.path("pretokenizers")) {
                preTokenizer(part, field + ".pretokenizers[" + i++ + "]", depth + 1);
            }
            return;
        }
        Integer grows = PRE_TOKENIZERS.get(type);
        if (grows == null) {
            require(false, field, type, "is a pre-tokenizer that is not served");
            return;
        }
        growingPreTokenizers += grows - 1;
        require(growingPreTokenizers <= 2, field, type, "is the third that lets a text grow");
        if (type.equals("Split")) {
            String ignored = pattern(node.path("pattern"), field + ".pattern");
        }
    }

    private void postProcessor(JsonNode node, String field, int depth) {
        if (node.isMissingNode() || node.isNull()) {
            return;
        }
        require(depth <= DEPTH_MAX, field, null, "is more than " + DEPTH_MAX + " sequences deep");
        int i = 0;
        for (JsonNode part : node.path("processors")) {
            postProcessor(part, field + ".processors[" + i++ + "]", depth + 1);
        }
        int texts = 0;
        for (JsonNode piece : node.path("single")) {
            texts += piece.has("Sequence") ? 1 : 0;
        }
        require(
                i <= TEMPLATE_PIECES_MAX && node.path("single").size() <= TEMPLATE_PIECES_MAX && texts <= 1,
                field,
                null,
                "must put the text once among at most " + TEMPLATE_PIECES_MAX + " pieces");
    }

    private static int bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8).length;
    }
}
