package dev.sluice.config;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.ExecutorSpec;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.kv.BlockHasher;
import dev.sluice.kv.HostPages;
import dev.sluice.metrics.OffloadMeters;
import dev.sluice.model.Model;
import dev.sluice.model.ModelFingerprint;
import dev.sluice.offload.GuardedStorage;
import dev.sluice.offload.KvConnector;
import dev.sluice.offload.NoKvConnector;
import dev.sluice.offload.OffloadSnapshot;
import dev.sluice.offload.StorageTier;
import dev.sluice.offload.disk.DiskSettings;
import dev.sluice.offload.disk.DiskTier;
import dev.sluice.offload.host.HostMemoryConnector;
import dev.sluice.offload.host.OffloadSettings;
import dev.sluice.request.TokensByTier;
import dev.sluice.runtime.Clock;
import dev.sluice.runtime.MachineMemory;
import io.github.resilience4j.circuitbreaker.CircuitBreakerRegistry;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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
    TierGuards tierGuards(CircuitBreakerRegistry breakers) {
        Map<String, Duration> timeLimits = new LinkedHashMap<>(); // the fastest first
        timeLimits.put(TokensByTier.HOST, properties.timeLimit());
        timeLimits.put(DiskTier.NAME, properties.disk().timeLimit());
        Map<String, ResilientTier> guards = new LinkedHashMap<>();
        timeLimits.forEach(
                (tier, limit) -> guards.put(tier, new ResilientTier(breakers, tier, properties.breaker(), limit)));
        return new TierGuards(guards);
    }

    @Bean(destroyMethod = "close")
    KvConnector kvConnector(
            ModelExecutor executor,
            Model model,
            BlockHasher hasher,
            SluiceProperties all,
            TierGuards guards,
            PrometheusMeterRegistry registry,
            ModelNames names,
            Clock clock) {
        if (properties.hostMemory().toBytes() < 0) {
            throw new IllegalArgumentException("sluice.offload.host-memory must not be negative, is "
                    + properties.hostMemory().toBytes());
        }
        if (properties.hostMemory().toBytes() == 0) {
            if (properties.disk().isOn()) {
                throw new IllegalArgumentException("sluice.offload.disk.directory is set, but the disk tier lies behind"
                        + " host memory: sluice.offload.host-memory must be set as well");
            }
            return new NoKvConnector();
        }
        OffloadSettings settings = new OffloadSettings(
                properties.blocksPerChunk(),
                properties.eviction(),
                properties.storeThreshold(),
                properties.trackerSize(),
                properties.promptOnly(),
                properties.asynchronousLoads());
        HostPages pages = pages(executor);
        List<GuardedStorage> storage = new ArrayList<>(); // the fastest first
        if (properties.disk().isOn()) {
            StorageTier disk = disk(executor.spec(), ModelFingerprint.of(model), hasher, pages, clock);
            storage.add(new GuardedStorage(guards.tier(DiskTier.NAME), disk));
        }
        OffloadMeters meters = new OffloadMeters(registry, names.first(), tokenBytes(executor.spec()), guards.names());
        HostMemoryConnector connector = new HostMemoryConnector(
                settings,
                executor.spec().kv(),
                pages,
                guards.tier(TokensByTier.HOST),
                storage,
                meters,
                clock,
                all.kv().prefixCaching());
        meters.watch(connector::snapshot);
        for (OffloadSnapshot.TierBytes tier : connector.snapshot().tiers()) {
            meters.watch(tier.tier(), guards.of(tier.tier()).breaker());
        }
        return connector;
    }

    private static double tokenBytes(ExecutorSpec spec) {
        return (double) spec.blockBytes() / spec.kv().blockSize();
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
        MachineMemory.requireRoomFor("sluice.offload.host-memory", bytes);
        int count = (int) Math.min(bytes / spec.blockBytes(), Integer.MAX_VALUE / 2);
        LOG.info(
                "KV offload: {} MiB of host memory for {} tokens",
                (count * spec.blockBytes()) >> 20,
                (long) count * spec.kv().blockSize());
        try {
            return executor.allocateHostPages(count);
        } catch (ExecutorException e) {
            throw MachineMemory.tooMuch("sluice.offload.host-memory", bytes);
        }
    }

    private StorageTier disk(ExecutorSpec spec, String model, BlockHasher hasher, HostPages pages, Clock clock) {
        SluiceProperties.Disk disk = properties.disk();
        String fingerprint = String.join(
                " ",
                model,
                spec.blockFormat(),
                Integer.toString(spec.kv().blockSize()),
                hasher.seedFingerprint().toString());
        DiskTier tier;
        try {
            tier = new DiskTier(
                    DiskSettings.of(Path.of(disk.directory()), disk.size().toBytes()),
                    fingerprint,
                    pages,
                    properties.blocksPerChunk(),
                    clock);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("sluice.offload.disk: " + e.getMessage(), e);
        }
        LOG.info(
                "KV offload: up to {} MiB in {}, {} MiB of it usable from before",
                tier.bytesCapacity() >> 20,
                disk.directory(),
                tier.bytesUsed() >> 20);
        return tier;
    }
}
