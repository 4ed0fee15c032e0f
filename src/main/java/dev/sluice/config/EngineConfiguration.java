package dev.sluice.config;

import dev.sluice.admission.AdmissionControl;
import dev.sluice.admission.AdmissionSettings;
import dev.sluice.engine.Engine;
import dev.sluice.engine.EngineExit;
import dev.sluice.engine.EngineLoader;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.kv.BlockHasher;
import dev.sluice.kv.KvCache;
import dev.sluice.kv.KvLayout;
import dev.sluice.metrics.AdmissionMeters;
import dev.sluice.metrics.CompletionLog;
import dev.sluice.metrics.EngineLog;
import dev.sluice.metrics.RequestMetricsRecorder;
import dev.sluice.metrics.SchedulerGauges;
import dev.sluice.model.Model;
import dev.sluice.offload.KvConnector;
import dev.sluice.offload.disk.HashSeedFile;
import dev.sluice.runtime.Clock;
import dev.sluice.scheduler.ContinuousBatchingScheduler;
import dev.sluice.scheduler.SchedulerLoop;
import dev.sluice.scheduler.SchedulerSettings;
import dev.sluice.text.PromptEncoder;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Lazy;

/**
 * The engine: model, executor, scheduler and what they share. All of it is lazy, so that the HTTP server is up, and says
 * what is going on, while the engine's lifecycle has these beans made.
 */
@Lazy
@Configuration(proxyBeanMethods = false)
class EngineConfiguration {

    private final SluiceProperties properties;

    EngineConfiguration(SluiceProperties properties) {
        this.properties = properties;
    }

    @Bean
    Model model(EngineLoader loader) {
        return loader.model();
    }

    @Bean
    PromptEncoder promptEncoder(Model model, Clock clock) {
        return PromptEncoder.of(model, clock);
    }

    @Bean(destroyMethod = "close")
    ModelExecutor executor(EngineLoader loader) {
        return loader.executor();
    }

    @Bean
    RequestMetricsRecorder requestMetricsRecorder(
            PrometheusMeterRegistry registry, ModelNames names, ModelExecutor executor) {
        return new RequestMetricsRecorder(
                registry, names.first(), executor.spec().contextLength());
    }

    @Bean
    SchedulerSettings schedulerSettings(ModelExecutor executor) {
        SluiceProperties.Scheduler settings = properties.scheduler();
        return new SchedulerSettings(
                settings.maxSequences(),
                settings.maxBatchedTokens(),
                settings.longPrefillThreshold(),
                settings.chunkedPrefill(),
                settings.policy(),
                properties.kv().prefixCaching(),
                settings.reserveFullSequence(),
                settings.watermark(),
                properties.offload().loadFailurePolicy(),
                settings.overlap(),
                executor.spec().contextLength(),
                settings.maxSequences() + properties.admission().maxQueuedRequests(),
                properties.offload().connectorFailuresMax());
    }

    @Bean
    BlockHasher blockHasher(ModelExecutor executor) {
        return new BlockHasher(executor.spec().kv().blockSize(), hashSeed());
    }

    @Bean
    SchedulerLoop schedulerLoop(
            SchedulerSettings settings,
            ModelExecutor executor,
            BlockHasher blockHasher,
            KvConnector kvConnector,
            RequestMetricsRecorder recorder,
            Clock clock) {
        KvLayout layout = executor.spec().kv();
        return new SchedulerLoop(
                settings,
                new KvCache(layout, settings.prefixCaching()),
                blockHasher,
                executor,
                kvConnector,
                new CompletionLog(recorder),
                clock);
    }

    /**
     * A secret by default, which lasts as long as what is stored under it; engines that share an external cache are given
     * the same words instead.
     */
    private byte[] hashSeed() {
        String words = properties.kv().hashSeed();
        SluiceProperties.Disk disk = properties.offload().disk();
        if (words.isEmpty() && disk.isOn()) {
            try {
                return HashSeedFile.readOrCreate(Path.of(disk.directory()));
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException("sluice.offload.disk.directory: " + e.getMessage(), e);
            }
        }
        if (words.isEmpty()) {
            byte[] seed = new byte[32];
            new SecureRandom().nextBytes(seed);
            return seed;
        }
        try {
            return MessageDigest.getInstance("SHA-256").digest(words.getBytes(StandardCharsets.UTF_8));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("SHA-256 is part of every JDK", e);
        }
    }

    @Bean(destroyMethod = "close")
    ContinuousBatchingScheduler scheduler(SchedulerLoop loop, EngineExit exit) {
        return new ContinuousBatchingScheduler(loop, exit::engineFailed);
    }

    @Bean
    AdmissionControl admissionControl(SchedulerSettings settings, ModelExecutor executor, Clock clock) {
        KvLayout layout = executor.spec().kv();
        SluiceProperties.Admission admission = properties.admission();
        long tokens = admission.maxQueuedTokens() > 0
                ? admission.maxQueuedTokens()
                : 4L * layout.usableBlocks() * layout.blockSize();
        return new AdmissionControl(
                new AdmissionSettings(
                        settings.maxSequences() + admission.maxQueuedRequests(),
                        tokens,
                        AnswerMemory.of(properties).total()),
                clock);
    }

    @Bean(initMethod = "start", destroyMethod = "close")
    EngineLog engineLog(RequestMetricsRecorder recorder, ContinuousBatchingScheduler scheduler) {
        return new EngineLog(recorder, scheduler::snapshot);
    }

    @Bean
    Engine engine(
            ModelNames names,
            Model model,
            PromptEncoder encoder,
            ModelExecutor executor,
            AdmissionControl admission,
            ContinuousBatchingScheduler scheduler,
            EngineLog log,
            PrometheusMeterRegistry registry,
            Clock clock) {
        SchedulerGauges.register(
                registry,
                scheduler::snapshot,
                clock,
                names.first(),
                executor.spec().kv().blockSize(),
                properties.kv().prefixCaching());
        AdmissionMeters.register(registry, admission);
        return new Engine(names.all(), model, encoder, executor, admission, scheduler);
    }
}
