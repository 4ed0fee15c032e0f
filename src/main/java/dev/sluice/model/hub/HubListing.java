package dev.sluice.model.hub;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Reads the hub's answers about a model: which commit a revision is, and which files a commit has. */
final class HubListing {

    private static final JsonMapper JSON = new JsonMapper();

    /** A plain name: nothing that a file system would take for a path, nothing hidden. */
    private static final Pattern FILE_NAME = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._-]{0,200}");

    private static final Pattern SHA256 = Pattern.compile("[0-9a-f]{64}");

    private HubListing() {}

    static String commit(byte[] answer) {
        String commit = parse(answer).path("sha").asString("");
        if (!HubModelId.isCommit(commit)) {
            throw new HubException("The hub's answer about the revision names no commit.");
        }
        return commit;
    }

    /** The files at the top of a model, by name; folders and files of odd names are none of ours. */
    static Map<String, HubFile> files(byte[] answer) {
        JsonNode list = parse(answer);
        if (!list.isArray()) {
            throw new HubException("The hub's list of files is not a list.");
        }
        Map<String, HubFile> files = new LinkedHashMap<>();
        for (JsonNode entry : list) {
            String name = entry.path("path").asString("");
            if (entry.path("type").asString("").equals("file")
                    && FILE_NAME.matcher(name).matches()) {
                files.put(name, file(name, entry));
            }
        }
        return files;
    }

    private static HubFile file(String name, JsonNode entry) {
        JsonNode size = entry.path("size");
        Checksum checksum = checksum(entry);
        if (!size.isIntegralNumber() || !size.canConvertToLong() || size.longValue() < 0 || checksum == null) {
            throw new HubException("The hub lists " + name + " without a size or a checksum.");
        }
        return new HubFile(name, size.longValue(), checksum);
    }

    private static @Nullable Checksum checksum(JsonNode entry) {
        if (entry.path("lfs").isObject()) {
            String sha256 = entry.path("lfs").path("oid").asString("");
            return SHA256.matcher(sha256).matches() ? new Checksum(Checksum.Kind.SHA256, sha256) : null;
        }
        String blob = entry.path("oid").asString("");
        return HubModelId.isCommit(blob) ? new Checksum(Checksum.Kind.GIT_BLOB, blob) : null;
    }

    private static JsonNode parse(byte[] answer) {
        try {
            return JSON.readTree(answer);
        } catch (JacksonException e) {
            throw new HubException("The hub's answer is not JSON: is the base URL that of a hub?", e);
        }
    }
}
