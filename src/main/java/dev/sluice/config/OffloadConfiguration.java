package dev.sluice.config;

import dev.sluice.executor.ExecutorSpec;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.kv.HostPages;
import dev.sluice.offload.HostMemoryConnector;
import dev.sluice.offload.KvConnector;
import dev.sluice.offload.NoKvConnector;
import dev.sluice.offload.OffloadSettings;
import dev.sluice.offload.Tier;
import dev.sluice.offload.TierGuard;
import dev.sluice.runtime.Clock;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Lazy;

/** The tiers beyond the device: host memory, and what lies behind it. */
@Lazy
@Configuration(proxyBeanMethods = false)
class OffloadConfiguration {

    private static final Logger LOG = LoggerFactory.getLogger(OffloadConfiguration.class);

    private final SluiceProperties.Offload properties;

    OffloadConfiguration(SluiceProperties properties) {
        this.properties = properties.offload();
    }

    @Bean
    ResilientTier hostTierGuard() {
        return new ResilientTier("host", properties.breaker(), properties.timeLimit());
    }

    @Bean
    KvConnector kvConnector(
            ModelExecutor executor,
            SluiceProperties all,
            ResilientTier hostTierGuard,
            PrometheusMeterRegistry registry,
            ModelNames names,
            Clock clock) {
        if (properties.hostMemory().toBytes() <= 0) {
            return new NoKvConnector();
        }
        OffloadSettings settings = new OffloadSettings(
                properties.blocksPerChunk(),
                properties.eviction(),
                properties.storeThreshold(),
                properties.trackerSize(),
                properties.promptOnly(),
                properties.asynchronousLoads());
        OffloadMeters meters = new OffloadMeters(registry, names.first());
        HostMemoryConnector connector = new HostMemoryConnector(
                settings,
                executor.spec().kv(),
                pages(executor),
                hostTierGuard,
                null,
                TierGuard.NONE,
                meters,
                clock,
                all.kv().prefixCaching());
        meters.watch(connector);
        meters.watch(Tier.HOST, hostTierGuard.breaker());
        return connector;
    }

    private HostPages pages(ModelExecutor executor) {
        ExecutorSpec spec = executor.spec();
        long chunkBytes = spec.blockBytes() * properties.blocksPerChunk();
        long bytes = properties.hostMemory().toBytes();
        if (bytes < chunkBytes) {
            throw new IllegalArgumentException("sluice.offload.host-memory of " + bytes
                    + " bytes is too small: one chunk of " + properties.blocksPerChunk() + " blocks takes " + chunkBytes
                    + " bytes");
        }
        int count = (int) Math.min(bytes / spec.blockBytes(), Integer.MAX_VALUE / 2);
        LOG.info(
                "KV offload: {} MiB of host memory for {} tokens",
                (count * spec.blockBytes()) >> 20,
                (long) count * spec.kv().blockSize());
        return executor.allocateHostPages(count);
    }
}
