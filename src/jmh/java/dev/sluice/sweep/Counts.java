package dev.sluice.sweep;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What a server's metrics say at one moment, or how far they have moved between two. */
record Counts(Map<String, Long> values) {

    /** Our word for a count, and the series that carry it. */
    private static final Map<String, String> SERIES = new LinkedHashMap<>();

    static {
        SERIES.put("prompt", "vllm:prompt_tokens_total\\{[^}]*}");
        SERIES.put("computed", "vllm:prompt_tokens_by_source_total\\{[^}]*source=\"local_compute\"[^}]*}");
        SERIES.put("local", "vllm:prompt_tokens_by_source_total\\{[^}]*source=\"local_cache_hit\"[^}]*}");
        SERIES.put("external", "vllm:prompt_tokens_by_source_total\\{[^}]*source=\"external_kv_transfer\"[^}]*}");
        SERIES.put("cached", "vllm:prompt_tokens_cached_total\\{[^}]*}");
        SERIES.put("output", "vllm:generation_tokens_total\\{[^}]*}");
        SERIES.put("ended", "vllm:request_success_total\\{[^}]*}");
        SERIES.put("preempted", "vllm:num_preemptions_total\\{[^}]*}");
        SERIES.put("local hits", "vllm:prefix_cache_hits_total\\{[^}]*}");
        SERIES.put("external hits", "vllm:external_prefix_cache_hits_total\\{[^}]*}");
        SERIES.put("resumed hits", "sluice_external_prefix_cache_resumed_hits_total\\{[^}]*}");
        SERIES.put("recomputed", "sluice_kv_recomputed_tokens_total\\{[^}]*}");
        SERIES.put("failed loads", "sluice_kv_failed_loads_total\\{[^}]*}");
        SERIES.put("loaded", "sluice_kv_tier_tokens_total\\{[^}]*direction=\"load\"[^}]*tier=\"host\"[^}]*}");
        SERIES.put("jobs", "sluice_kv_tier_jobs\\{[^}]*}");
        SERIES.put("pinned", "sluice_kv_tier_bytes\\{[^}]*state=\"pinned\"[^}]*}");
        SERIES.put("running", "vllm:num_requests_running\\{[^}]*}");
    }

    /** Sums up the series of a page in Prometheus' text format; what is not there is zero. */
    static Counts of(String page) {
        Map<String, Long> values = new LinkedHashMap<>();
        SERIES.forEach((word, series) -> {
            Matcher line = Pattern.compile("(?m)^" + series + " (\\S+)").matcher(page);
            double sum = 0;
            while (line.find()) {
                sum += Double.parseDouble(line.group(1));
            }
            values.put(word, Math.round(sum));
        });
        return new Counts(values);
    }

    long get(String word) {
        Long value = values.get(word);
        if (value == null) {
            throw new IllegalArgumentException("no count is called " + word);
        }
        return value;
    }

    Counts minus(Counts before) {
        Map<String, Long> moved = new LinkedHashMap<>();
        values.forEach((word, value) -> moved.put(word, value - before.get(word)));
        return new Counts(moved);
    }

    /** @throws Disagreement naming the first two counts that differ */
    void mustAgreeWith(SweepClient.Told told) {
        same("prompt tokens", told.prompt(), get("prompt"));
        same("output tokens", told.output(), get("output"));
        same("requests", told.requests(), get("ended"));
        same("tokens from the device", told.device(), get("local"));
        same("tokens from tiers", told.host() + told.storage(), get("external"));
        same("computed tokens", told.computed(), get("computed"));
        same("cached tokens", told.device() + told.host() + told.storage(), get("cached"));
        same("the sources' sum", get("prompt"), get("computed") + get("local") + get("external"));
        // Nobody is cancelled here, so every admitted lookup became a record, unless it was one of a preempted request.
        same("lookups and records of the device", get("local hits"), get("local"));
        same("lookups and records of the tiers", get("external hits"), get("external"));
        if (get("failed loads") == 0) {
            same("tokens promised and moved", get("external hits") + get("resumed hits"), get("loaded"));
            same("recomputed tokens", 0, get("recomputed"));
        }
    }

    private static void same(String what, long one, long other) {
        if (one != other) {
            throw new Disagreement(what + ": " + one + " and " + other);
        }
    }
}
