package dev.sluice.metrics;

/**
 * The names of all meters. Those with the prefix {@code vllm:} mean what they mean there, so that dashboards, routers and
 * autoscalers made for vLLM work unchanged; names are API and are never changed silently.
 */
final class MeterNames {

    // Gauges
    static final String RUNNING = "vllm:num_requests_running";
    static final String WAITING = "vllm:num_requests_waiting";
    static final String WAITING_BY_REASON = "vllm:num_requests_waiting_by_reason";
    static final String KV_USAGE = "vllm:kv_cache_usage_perc";
    static final String CACHE_CONFIG = "vllm:cache_config";
    static final String KV_BLOCKS = "sluice_kv_blocks";
    static final String CONNECTOR_OFF = "sluice_kv_connector_off";
    static final String STEP_AGE = "sluice_turn_age_seconds";

    // Counters; Prometheus adds _total
    static final String PROMPT_TOKENS = "vllm:prompt_tokens";
    static final String PROMPT_TOKENS_BY_SOURCE = "vllm:prompt_tokens_by_source";
    static final String PROMPT_TOKENS_CACHED = "vllm:prompt_tokens_cached";
    static final String GENERATION_TOKENS = "vllm:generation_tokens";
    static final String PREEMPTIONS = "vllm:num_preemptions";
    static final String REQUEST_SUCCESS = "vllm:request_success";
    static final String FAILED_LOADS = "sluice_kv_failed_loads";
    static final String CONNECTOR_FAILURES = "sluice_kv_connector_failures";

    // Where the work on prompts went: computed = answered + wasted + recomputed, but for requests that have not
    // answered yet
    static final String PROMPT_COMPUTED = "sluice_prompt_computed_tokens";
    static final String PROMPT_ANSWERED = "sluice_prompt_answered_tokens";
    static final String PROMPT_WASTED = "sluice_prompt_wasted_tokens";
    static final String RECOMPUTED = "sluice_kv_recomputed_tokens";

    // Pairs of counters; the names go on with _queries and _hits
    static final String PREFIX = "vllm:prefix_cache";
    static final String EXTERNAL_PREFIX = "vllm:external_prefix_cache";
    static final String RESUMED_PREFIX = "sluice_prefix_cache_resumed";
    static final String RESUMED_EXTERNAL_PREFIX = "sluice_external_prefix_cache_resumed";

    // Histograms
    static final String TTFT = "vllm:time_to_first_token_seconds";
    static final String INTER_TOKEN = "vllm:inter_token_latency_seconds";
    static final String PER_OUTPUT_TOKEN = "vllm:request_time_per_output_token_seconds";
    static final String E2E = "vllm:e2e_request_latency_seconds";
    static final String QUEUE_TIME = "vllm:request_queue_time_seconds";
    static final String PREFILL_TIME = "vllm:request_prefill_time_seconds";
    static final String DECODE_TIME = "vllm:request_decode_time_seconds";
    static final String INFERENCE_TIME = "vllm:request_inference_time_seconds";
    static final String REQUEST_PROMPT_TOKENS = "vllm:request_prompt_tokens";
    static final String REQUEST_GENERATION_TOKENS = "vllm:request_generation_tokens";
    static final String REQUEST_MAX_TOKENS = "vllm:request_params_max_tokens";
    static final String PREFILL_COMPUTED = "vllm:request_prefill_kv_computed_tokens";
    static final String ITERATION_TOKENS = "vllm:iteration_tokens_total";
    static final String STEP_SECONDS = "sluice_step_seconds";

    private MeterNames() {}
}
