package dev.sluice.api;

import org.jspecify.annotations.Nullable;

/** Whether and how an answer is streamed. */
record StreamOptions(boolean stream, boolean includeUsage, boolean continuousUsage) {

    static StreamOptions read(Fields fields) {
        boolean stream = fields.flag("stream", false);
        @Nullable Fields options = fields.object("stream_options");
        if (options == null) {
            return new StreamOptions(stream, false, false);
        }
        if (!stream) {
            throw ApiError.invalidValue("stream_options", "needs stream to be true")
                    .asException();
        }
        options.flag("include_obfuscation", false);
        boolean continuous = options.flag("continuous_usage_stats", false);
        return new StreamOptions(true, options.flag("include_usage", false) || continuous, continuous);
    }
}
