package dev.sluice.metrics;

import java.util.List;

/**
 * The catalogue of all meters that Sluice adds. Names, units, help and labels are written here only; the reference in {@code
 * src/docs/metrics.md} is this list. Names with the prefix {@code vllm:} mean what they mean there, so that dashboards,
 * routers and autoscalers made for vLLM work unchanged; names are API and are never changed silently.
 */
public enum SluiceMeter {
    RUNNING(Kind.GAUGE, "vllm:num_requests_running", "requests", "Requests in the running batch", Scope.ENGINE),
    WAITING(Kind.GAUGE, "vllm:num_requests_waiting", "requests", "Requests that wait to be admitted", Scope.ENGINE),
    WAITING_BY_REASON(
            Kind.GAUGE,
            "vllm:num_requests_waiting_by_reason",
            "requests",
            "The same by what they wait for: capacity, or something deferred such as a load",
            Scope.ENGINE,
            "reason"),
    KV_USAGE(Kind.GAUGE, "vllm:kv_cache_usage_perc", "ratio", "Used share of the KV cache, 0 to 1", Scope.ENGINE),
    CACHE_CONFIG(
            Kind.INFO,
            "vllm:cache_config",
            "1",
            "Settings of the KV cache, as labels",
            Scope.ENGINE,
            "block_size",
            "num_gpu_blocks",
            "enable_prefix_caching"),
    KV_BLOCKS(
            Kind.GAUGE,
            "sluice_kv_blocks",
            "blocks",
            "Blocks of the KV cache by state: used, cached (free, with contents that can be reused), free",
            Scope.ENGINE,
            "state"),
    CONNECTOR_OFF(
            Kind.GAUGE,
            "sluice_kv_connector_off",
            "1",
            "1 if the connector was switched off after repeated failures",
            Scope.ENGINE),
    TURN_AGE(
            Kind.GAUGE,
            "sluice_turn_age_seconds",
            "seconds",
            "Time since the scheduler's latest turn ended",
            Scope.ENGINE),

    PROMPT_TOKENS(
            Kind.COUNTER, "vllm:prompt_tokens", "tokens", "Prompt tokens of requests with a first token", Scope.ENGINE),
    PROMPT_TOKENS_BY_SOURCE(
            Kind.COUNTER,
            "vllm:prompt_tokens_by_source",
            "tokens",
            "Where those tokens came from: local_compute, local_cache_hit or external_kv_transfer",
            Scope.ENGINE,
            "source"),
    PROMPT_TOKENS_CACHED(
            Kind.COUNTER, "vllm:prompt_tokens_cached", "tokens", "Those of them that were not computed", Scope.ENGINE),
    GENERATION_TOKENS(Kind.COUNTER, "vllm:generation_tokens", "tokens", "Generated tokens", Scope.ENGINE),
    PREEMPTIONS(Kind.COUNTER, "vllm:num_preemptions", "preemptions", "Requests that lost their blocks", Scope.ENGINE),
    REQUEST_SUCCESS(
            Kind.COUNTER,
            "vllm:request_success",
            "requests",
            "Ended requests by reason",
            Scope.ENGINE,
            "finished_reason"),
    FAILED_LOADS(Kind.COUNTER, "sluice_kv_failed_loads", "loads", "Loads from the connector that failed", Scope.ENGINE),
    CONNECTOR_FAILURES(
            Kind.COUNTER, "sluice_kv_connector_failures", "failures", "Failures of the connector", Scope.ENGINE),
    PROMPT_COMPUTED(
            Kind.COUNTER,
            "sluice_prompt_computed_tokens",
            "tokens",
            "Prompt tokens that steps computed: answered + wasted + recomputed + of requests without an answer yet",
            Scope.ENGINE),
    PROMPT_ANSWERED(
            Kind.COUNTER,
            "sluice_prompt_answered_tokens",
            "tokens",
            "Of those, computed once for requests that answered",
            Scope.ENGINE),
    PROMPT_WASTED(
            Kind.COUNTER,
            "sluice_prompt_wasted_tokens",
            "tokens",
            "Of those, computed in vain: for requests that never answered, or over blocks that were not there",
            Scope.ENGINE),
    RECOMPUTED(
            Kind.COUNTER,
            "sluice_kv_recomputed_tokens",
            "tokens",
            "Of those, computed again because of a failed_load or a preemption",
            Scope.ENGINE,
            "reason"),
    PREFIX_QUERIES(
            Kind.COUNTER, "vllm:prefix_cache_queries", "tokens", "Tokens looked up in the prefix cache", Scope.ENGINE),
    PREFIX_HITS(Kind.COUNTER, "vllm:prefix_cache_hits", "tokens", "Tokens found in the prefix cache", Scope.ENGINE),
    EXTERNAL_PREFIX_QUERIES(
            Kind.COUNTER,
            "vllm:external_prefix_cache_queries",
            "tokens",
            "Tokens looked up in the connector",
            Scope.ENGINE),
    EXTERNAL_PREFIX_HITS(
            Kind.COUNTER, "vllm:external_prefix_cache_hits", "tokens", "Tokens found in the connector", Scope.ENGINE),
    RESUMED_PREFIX_QUERIES(
            Kind.COUNTER,
            "sluice_prefix_cache_resumed_queries",
            "tokens",
            "Tokens of preempted requests looked up in the prefix cache",
            Scope.ENGINE),
    RESUMED_PREFIX_HITS(
            Kind.COUNTER,
            "sluice_prefix_cache_resumed_hits",
            "tokens",
            "Tokens of preempted requests found in the prefix cache",
            Scope.ENGINE),
    RESUMED_EXTERNAL_PREFIX_QUERIES(
            Kind.COUNTER,
            "sluice_external_prefix_cache_resumed_queries",
            "tokens",
            "Tokens of preempted requests looked up in the connector",
            Scope.ENGINE),
    RESUMED_EXTERNAL_PREFIX_HITS(
            Kind.COUNTER,
            "sluice_external_prefix_cache_resumed_hits",
            "tokens",
            "Tokens of preempted requests found in the connector",
            Scope.ENGINE),

    TTFT(
            Kind.HISTOGRAM,
            "vllm:time_to_first_token_seconds",
            "seconds",
            "From the arrival of a request to its first token",
            Scope.ENGINE),
    INTER_TOKEN(
            Kind.HISTOGRAM,
            "vllm:inter_token_latency_seconds",
            "seconds",
            "From one token of a request to its next",
            Scope.ENGINE),
    PER_OUTPUT_TOKEN(
            Kind.HISTOGRAM,
            "vllm:request_time_per_output_token_seconds",
            "seconds",
            "Decode time of a request per token after the first",
            Scope.ENGINE),
    E2E(
            Kind.HISTOGRAM,
            "vllm:e2e_request_latency_seconds",
            "seconds",
            "From the arrival of a request to its last token",
            Scope.ENGINE),
    QUEUE_TIME(
            Kind.HISTOGRAM,
            "vllm:request_queue_time_seconds",
            "seconds",
            "From a request's entry into the queue to its first scheduling",
            Scope.ENGINE),
    PREFILL_TIME(
            Kind.HISTOGRAM,
            "vllm:request_prefill_time_seconds",
            "seconds",
            "From the first scheduling of a request to its first token",
            Scope.ENGINE),
    DECODE_TIME(
            Kind.HISTOGRAM,
            "vllm:request_decode_time_seconds",
            "seconds",
            "From the first token of a request to its last",
            Scope.ENGINE),
    INFERENCE_TIME(
            Kind.HISTOGRAM,
            "vllm:request_inference_time_seconds",
            "seconds",
            "From the first scheduling of a request to its last token",
            Scope.ENGINE),
    REQUEST_PROMPT_TOKENS(
            Kind.HISTOGRAM, "vllm:request_prompt_tokens", "tokens", "Prompt tokens of a request", Scope.ENGINE),
    REQUEST_GENERATION_TOKENS(
            Kind.HISTOGRAM, "vllm:request_generation_tokens", "tokens", "Generated tokens of a request", Scope.ENGINE),
    REQUEST_MAX_TOKENS(
            Kind.HISTOGRAM, "vllm:request_params_max_tokens", "tokens", "The max_tokens of a request", Scope.ENGINE),
    PREFILL_COMPUTED(
            Kind.HISTOGRAM,
            "vllm:request_prefill_kv_computed_tokens",
            "tokens",
            "Prompt tokens of a request that no cache held",
            Scope.ENGINE),
    ITERATION_TOKENS(
            Kind.HISTOGRAM,
            "vllm:iteration_tokens_total",
            "tokens",
            "Prompt tokens computed and tokens generated in a step",
            Scope.ENGINE),
    STEP_SECONDS(Kind.HISTOGRAM, "sluice_step_seconds", "seconds", "Time of a step", Scope.ENGINE),

    OFFLOAD_LOAD_BYTES(Kind.COUNTER, "vllm:kv_offload_load_bytes", "bytes", "Loaded from a tier", Scope.ENGINE, "tier"),
    OFFLOAD_LOAD_TIME(
            Kind.COUNTER, "vllm:kv_offload_load_time", "seconds", "Time of loads from a tier", Scope.ENGINE, "tier"),
    OFFLOAD_LOAD_SIZE(
            Kind.HISTOGRAM, "vllm:kv_offload_load_size", "bytes", "Size of a load from a tier", Scope.ENGINE, "tier"),
    OFFLOAD_STORE_BYTES(Kind.COUNTER, "vllm:kv_offload_store_bytes", "bytes", "Stored in a tier", Scope.ENGINE, "tier"),
    OFFLOAD_STORE_TIME(
            Kind.COUNTER, "vllm:kv_offload_store_time", "seconds", "Time of stores into a tier", Scope.ENGINE, "tier"),
    OFFLOAD_STORE_SIZE(
            Kind.HISTOGRAM, "vllm:kv_offload_store_size", "bytes", "Size of a store into a tier", Scope.ENGINE, "tier"),
    OFFLOAD_STORES_SKIPPED(
            Kind.COUNTER,
            "vllm:kv_offload_stores_skipped",
            "stores",
            "Stores that found no room in host memory",
            Scope.ENGINE),
    TIER_TOKENS(
            Kind.COUNTER,
            "sluice_kv_tier_tokens",
            "tokens",
            "Tokens moved, by tier and direction (load, store)",
            Scope.ENGINE,
            "tier",
            "direction"),
    TIER_FAILURES(
            Kind.COUNTER,
            "sluice_kv_tier_failures",
            "copies",
            "Copies that failed, by tier and direction",
            Scope.ENGINE,
            "tier",
            "direction"),
    TIER_JOBS(Kind.GAUGE, "sluice_kv_tier_jobs", "jobs", "Copies between device and tiers under way", Scope.ENGINE),
    TIER_LATE_COMPLETIONS(
            Kind.COUNTER,
            "sluice_kv_tier_late_completions",
            "copies",
            "Copies that ended after they had been given up",
            Scope.ENGINE),
    TIER_BREAKER_OPEN(
            Kind.GAUGE,
            "sluice_kv_tier_breaker_open",
            "1",
            "1 while a tier is left alone because it fails",
            Scope.ENGINE,
            "tier"),
    TIER_BYTES(
            Kind.GAUGE,
            "sluice_kv_tier_bytes",
            "bytes",
            "Room of a tier by state: capacity, used, pinned",
            Scope.ENGINE,
            "tier",
            "state"),

    ADMITTED_SEQUENCES(
            Kind.GAUGE, "sluice_admitted_sequences", "sequences", "Sequences that run or wait", Scope.PROCESS),
    WAITING_PROMPT_TOKENS(
            Kind.GAUGE,
            "sluice_waiting_prompt_tokens",
            "tokens",
            "Prompt tokens of admitted calls without a first token",
            Scope.PROCESS),
    REQUESTS_REJECTED(
            Kind.COUNTER,
            "sluice_requests_rejected",
            "calls",
            "Calls that were not admitted, by reason",
            Scope.PROCESS,
            "reason"),
    ANSWER_MEMORY(
            Kind.GAUGE, "sluice_answer_memory_bytes", "bytes", "Heap taken for answers in progress", Scope.PROCESS),
    ANSWER_MEMORY_MAX(
            Kind.GAUGE, "sluice_answer_memory_max_bytes", "bytes", "Heap that there is for answers", Scope.PROCESS),
    UNREAD_CALLS(Kind.GAUGE, "sluice_unread_calls", "calls", "Calls whose text waits to be worked on", Scope.PROCESS),
    UNREAD_BYTES(
            Kind.GAUGE, "sluice_unread_bytes", "bytes", "Bodies that arrive or wait to be worked on", Scope.PROCESS),
    UNREAD_CALLS_REJECTED(
            Kind.COUNTER,
            "sluice_unread_calls_rejected",
            "calls",
            "Calls refused before their text was worked on, by reason",
            Scope.PROCESS,
            "reason"),
    HTTP_CONNECTIONS(
            Kind.GAUGE, "sluice_http_connections", "connections", "Open connections by port", Scope.PROCESS, "port"),
    HTTP_CONNECTIONS_MAX(
            Kind.GAUGE, "sluice_http_connections_max", "connections", "How many may be open", Scope.PROCESS, "port"),
    HTTP_REFUSED(
            Kind.COUNTER,
            "sluice_http_refused",
            "requests",
            "Requests whose head was refused, and connections beyond the limit (503), by port and status",
            Scope.PROCESS,
            "port",
            "status"),
    HTTP_STALLED_READERS(
            Kind.COUNTER,
            "sluice_http_stalled_readers",
            "connections",
            "Connections closed because the client took nothing of its answer",
            Scope.PROCESS);

    /** What a meter is. */
    public enum Kind {
        GAUGE,
        COUNTER,
        HISTOGRAM,
        /** Always 1: what it tells is in its labels. */
        INFO
    }

    /** Whose meter it is: those of an engine have the labels of {@link Meters#ofEngine}. */
    private enum Scope {
        ENGINE,
        PROCESS
    }

    private static final String ENGINE_LABELS = "model_name,engine";

    private final Kind kind;
    private final String id;
    private final String unit;
    private final String help;
    private final String labels; // with commas between them

    SluiceMeter(Kind kind, String id, String unit, String help, Scope scope, String... labels) {
        this.kind = kind;
        this.id = id;
        this.unit = unit;
        this.help = help;
        String own = String.join(",", labels);
        this.labels = scope == Scope.PROCESS ? own : own.isEmpty() ? ENGINE_LABELS : ENGINE_LABELS + "," + own;
    }

    public Kind kind() {
        return kind;
    }

    /** Its name in Micrometer. */
    public String id() {
        return id;
    }

    /** Its name in Prometheus. */
    public String exportedName() {
        return switch (kind) {
            case COUNTER -> id + "_total";
            case INFO -> id + "_info";
            case GAUGE, HISTOGRAM -> id;
        };
    }

    public String unit() {
        return unit;
    }

    public String help() {
        return help;
    }

    public List<String> labels() {
        return labels.isEmpty() ? List.of() : List.of(labels.split(","));
    }
}
