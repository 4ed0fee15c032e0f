package dev.sluice.model.hub;

import java.net.URI;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Where models come from and how much of them may.
 *
 * @param baseUrl of the hub, for example {@code https://huggingface.co}
 * @param token sent to the host of {@code baseUrl} and to nobody else; null for none
 * @param silenceMax longest wait for a connection, an answer, or the next bytes of one
 * @param modelBytesMax largest model that is downloaded, all files together
 */
public record HubSettings(URI baseUrl, @Nullable String token, Duration silenceMax, long modelBytesMax) {

    public HubSettings {
        String scheme = baseUrl.getScheme();
        if (baseUrl.getHost() == null || !("https".equals(scheme) || "http".equals(scheme))) {
            throw new IllegalArgumentException("The hub's base URL must be an http or https URL with a host.");
        }
        if (baseUrl.getRawUserInfo() != null || baseUrl.getRawQuery() != null || baseUrl.getRawFragment() != null) {
            throw new IllegalArgumentException("The hub's base URL must have no user, query or fragment.");
        }
    }

    /** The token stays out of logs. */
    @Override
    public String toString() {
        return "HubSettings[" + baseUrl + ", token " + (token == null ? "none" : "given") + "]";
    }

    /** The base URL followed by a path that starts with a slash. */
    URI resolve(String path) {
        String base = baseUrl.toString();
        return URI.create((base.endsWith("/") ? base.substring(0, base.length() - 1) : base) + path);
    }
}
