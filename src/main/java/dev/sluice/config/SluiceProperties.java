package dev.sluice.config;

import dev.sluice.executor.cuda.weights.QuantizationChoice;
import dev.sluice.offload.host.OffloadSettings.Eviction;
import dev.sluice.scheduler.SchedulerSettings.LoadFailurePolicy;
import dev.sluice.scheduler.SchedulerSettings.Policy;
import jakarta.validation.Valid;
import jakarta.validation.constraints.DecimalMax;
import jakarta.validation.constraints.DecimalMin;
import jakarta.validation.constraints.Max;
import jakarta.validation.constraints.Min;
import jakarta.validation.constraints.NotNull;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import org.hibernate.validator.constraints.time.DurationMin;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;
import org.springframework.util.unit.DataSize;
import org.springframework.validation.annotation.Validated;

/**
 * Everything an operator can set under {@code sluice}; each key is explained in {@code config/application.yaml}. A key that
 * does not exist stops the start.
 */
@Validated
@ConfigurationProperties(prefix = "sluice", ignoreUnknownFields = false)
public record SluiceProperties(
        @Valid @DefaultValue ModelSource model,
        @Valid @DefaultValue Executor executor,
        @Valid @DefaultValue Kv kv,
        @Valid @DefaultValue Offload offload,
        @Valid @DefaultValue Scheduler scheduler,
        @Valid @DefaultValue Admission admission,
        @Valid @DefaultValue Api api,
        @Valid @DefaultValue Tokenizer tokenizer,
        @Valid @DefaultValue Shutdown shutdown) {

    /** Which model, and from where. */
    public record ModelSource(
            @DefaultValue("") String path,
            @DefaultValue("") String id,
            @DefaultValue("main") String revision,
            @DefaultValue List<String> servedNames,
            @DefaultValue("0") @Min(0) int maxContext,
            @DefaultValue("false") boolean allowSymlinks,
            @DefaultValue("auto") LoadFormat loadFormat,
            @Valid @DefaultValue Download download) {

        /** Where weights come from. */
        public enum LoadFormat {
            /** The model's files. */
            AUTO,
            /** Nowhere: they are random, for benchmarks from a {@code config.json} alone. */
            DUMMY
        }
    }

    /** How a model id is downloaded. */
    public record Download(
            @DefaultValue("https://huggingface.co") @NotNull URI baseUrl,
            @DefaultValue("") String token,
            @DefaultValue("") String directory,
            @DefaultValue("1TB") DataSize maxSize,
            @DefaultValue("60s") @DurationMin(nanos = 1) Duration silence,
            @DefaultValue("5") @Min(1) @Max(100) int attempts) {}

    /** What computes. */
    public record Executor(
            @DefaultValue("cpu") Type type,
            @Valid @DefaultValue Cpu cpu,
            @Valid @DefaultValue Cuda cuda,
            @Valid @DefaultValue Simulator simulator) {

        /** The executors there are. */
        public enum Type {
            CPU,
            CUDA,
            SIMULATOR
        }

        /** The CPU executor; zero threads means one per core. */
        public record Cpu(
                @DefaultValue("0") @Min(0) @Max(1024) int threads) {}

        /** The CUDA executor; devices are counted as the driver does, no kernel cache means that nothing is kept. */
        public record Cuda(
                @DefaultValue("0") @Min(0) @Max(1024) int device,
                @DefaultValue("auto") QuantizationChoice quantization,

                @DefaultValue("") String kernelCache,
                @DefaultValue("true") boolean measureProducts,
                @DefaultValue("true") boolean cublas,
                @DefaultValue("") String cublasLibrary) {}

        /** The simulator; a step that takes no time is over at once. */
        public record Simulator(
                @DefaultValue("0s") @DurationMin Duration stepTime) {}
    }

    /** The cache of keys and values; zero blocks means as many as the memory holds, or the GPU. */
    public record Kv(
            @DefaultValue("16") @Min(1) @Max(1024) int blockSize,
            @DefaultValue("256MB") DataSize memory,
            @DefaultValue("0") @Min(0) int blocks,

            @DefaultValue("0.9") @DecimalMin("0.01") @DecimalMax("1")
            double gpuMemoryUtilization,

            @DefaultValue("true") boolean prefixCaching,
            @DefaultValue("") String hashSeed) {}

    /** Blocks that do not fit on the device; no host memory means no offload. */
    public record Offload(
            @DefaultValue("0B") DataSize hostMemory,
            @DefaultValue("1") @Min(1) @Max(1024) int blocksPerChunk,
            @DefaultValue("lru") Eviction eviction,
            @DefaultValue("0") @Min(0) int storeThreshold,
            @DefaultValue("64000") @Min(1) int trackerSize,
            @DefaultValue("true") boolean promptOnly,
            @DefaultValue("true") boolean asynchronousLoads,
            @DefaultValue("recompute") LoadFailurePolicy loadFailurePolicy,
            @DefaultValue("10s") @DurationMin(nanos = 1) Duration timeLimit,
            @DefaultValue("10") @Min(1) int connectorFailuresMax,
            @Valid @DefaultValue Breaker breaker,
            @Valid @DefaultValue Disk disk) {}

    /** A storage tier behind host memory; no directory means none. */
    public record Disk(
            @DefaultValue("") String directory,
            @DefaultValue("10GB") DataSize size,
            @DefaultValue("10s") @DurationMin(nanos = 1) Duration timeLimit) {

        boolean isOn() {
            return !directory.isEmpty();
        }
    }

    /** When a tier is left alone, and for how long. */
    public record Breaker(
            @DefaultValue("50") @Min(1) @Max(100) int failureRate,
            @DefaultValue("20") @Min(1) @Max(10000) int window,
            @DefaultValue("30s") @DurationMin(nanos = 1) Duration open,
            @DefaultValue("5") @Min(1) @Max(1000) int probes) {}

    /** Batching. */
    public record Scheduler(
            @DefaultValue("128") @Min(1) @Max(65536) int maxSequences,
            @DefaultValue("512") @Min(1) @Max(1048576) int maxBatchedTokens,
            @DefaultValue("0") @Min(0) int longPrefillThreshold,
            @DefaultValue("true") boolean chunkedPrefill,
            @DefaultValue("fcfs") Policy policy,
            @DefaultValue("true") boolean reserveFullSequence,

            @DefaultValue("0") @DecimalMin("0") @DecimalMax("0.99")
            double watermark,

            @DefaultValue("true") boolean overlap,
            @DefaultValue("120s") @DurationMin(nanos = 1) Duration watchdog) {}

    /** Who may wait. */
    public record Admission(
            @DefaultValue("1024") @Min(1) int maxQueuedRequests,
            @DefaultValue("0") @Min(0) long maxQueuedTokens,
            @DefaultValue("0B") DataSize maxAnswerMemory,
            @DefaultValue("60s") @DurationMin(nanos = 1) Duration queueTimeout,
            @DefaultValue("15m") @DurationMin(nanos = 1) Duration requestTimeout) {}

    /** The HTTP interface. */
    public record Api(
            @DefaultValue List<String> keys,
            @Nullable String keysFile,
            @DefaultValue("false") boolean metricsNeedKey,
            @DefaultValue("false") boolean resetPrefixCache,
            @DefaultValue("0") @Min(0) @Max(1048576) int maxConnections,
            @DefaultValue("8MB") DataSize maxBody,
            @DefaultValue("30s") @DurationMin(nanos = 1) Duration readTimeout,
            @DefaultValue("30s") @DurationMin(nanos = 1) Duration writeTimeout,
            @DefaultValue("16") @Min(1) @Max(128) int maxChoices,
            @DefaultValue("64") @Min(1) @Max(1024) int maxPrompts,
            @DefaultValue("128") @Min(1) @Max(4096) int maxSequencesPerCall,
            @DefaultValue("0B") DataSize maxAnswerMemory,
            @DefaultValue("15s") @DurationMin Duration heartbeatAfter) {}

    /** The threads that read prompts and write answers, and what prompts may cost; zero bytes means what fits. */
    public record Tokenizer(
            @DefaultValue("0") @Min(0) @Max(256) int threads,
            @DefaultValue("1024") @Min(1) int queue,
            @DefaultValue("0B") DataSize queueMemory,
            @DefaultValue("0B") DataSize maxText,
            @DefaultValue("1048576") @Min(1) @Max(1 << 24) int maxTokens,
            @DefaultValue("30s") @DurationMin(nanos = 1) Duration timeout) {}

    /** The end. */
    public record Shutdown(@DefaultValue("30s") @DurationMin Duration drain) {}
}
