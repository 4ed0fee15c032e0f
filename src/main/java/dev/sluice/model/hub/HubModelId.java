package dev.sluice.model.hub;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;

/** A model's id on the hub and the revision wanted, checked so that neither can become another path or URL. */
record HubModelId(String id, String revision) {

    private static final String NAME = "[A-Za-z0-9_][A-Za-z0-9._-]{0,95}";
    private static final Pattern ID = Pattern.compile(NAME + "(/" + NAME + ")?");
    private static final Pattern REVISION = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._/-]{0,127}");
    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");

    HubModelId {
        if (!ID.matcher(id).matches() || id.contains("..")) {
            throw new HubException("The model id must have the form \"owner/name\" of letters, digits, '.', '_', '-'.");
        }
        if (!REVISION.matcher(revision).matches() || revision.contains("..") || revision.contains("//")) {
            throw new HubException("The model revision must be a branch, a tag or a commit.");
        }
    }

    static boolean isCommit(String text) {
        return COMMIT.matcher(text).matches();
    }

    /** One directory name for the id. */
    String directoryName() {
        return id.replace("/", "--");
    }

    /** The revision as one segment of a URL. */
    String revisionSegment() {
        return URLEncoder.encode(revision, StandardCharsets.UTF_8);
    }
}
