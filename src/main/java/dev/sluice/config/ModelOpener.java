package dev.sluice.config;

import dev.sluice.config.SluiceProperties.ModelSource.LoadFormat;
import dev.sluice.engine.LoadProgress;
import dev.sluice.model.Model;
import dev.sluice.model.ModelDirectory;
import dev.sluice.model.hub.HubDownloader;
import dev.sluice.model.hub.HubSettings;
import io.github.resilience4j.core.IntervalFunction;
import io.github.resilience4j.retry.Retry;
import io.github.resilience4j.retry.RetryConfig;
import java.io.IOException;
import java.nio.file.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Opens the configured model: a directory, a download, or the one in the jar. */
final class ModelOpener {

    private static final Logger LOG = LoggerFactory.getLogger(ModelOpener.class);

    private final SluiceProperties.ModelSource source;
    private final LoadProgress progress;

    ModelOpener(SluiceProperties.ModelSource source, LoadProgress progress) {
        this.source = source;
        this.progress = progress;
    }

    Model open() {
        if (!source.path().isEmpty() && !source.id().isEmpty()) {
            throw new IllegalArgumentException("sluice.model.path and sluice.model.id cannot both be set");
        }
        if (source.loadFormat() == LoadFormat.DUMMY) {
            return dummy();
        }
        if (!source.path().isEmpty()) {
            LOG.info("Opening the model in {}", source.path());
            return ModelDirectory.open(Path.of(source.path()), source.allowSymlinks());
        }
        if (!source.id().isEmpty()) {
            return ModelDirectory.open(download(), source.allowSymlinks());
        }
        LOG.info("No model is configured: serving the small one that travels in the jar");
        return ModelDirectory.embedded();
    }

    private Model dummy() {
        if (source.path().isEmpty()) {
            throw new IllegalArgumentException(
                    "sluice.model.load-format dummy needs sluice.model.path: a directory with a config.json");
        }
        LOG.warn("The weights are random, and so are all answers: sluice.model.load-format is dummy");
        return ModelDirectory.openWithoutWeights(Path.of(source.path()), source.allowSymlinks());
    }

    private Path download() {
        SluiceProperties.Download download = source.download();
        HubSettings settings = new HubSettings(
                download.baseUrl(),
                download.token().isEmpty() ? null : download.token(),
                download.silence(),
                download.maxSize().toBytes());
        Retry retry = Retry.of(
                "model-download",
                RetryConfig.custom()
                        .maxAttempts(download.attempts())
                        .intervalFunction(IntervalFunction.ofExponentialRandomBackoff(1000, 2.0, 30_000))
                        .retryExceptions(IOException.class)
                        .build());
        retry.getEventPublisher()
                .onRetry(event -> LOG.warn("The download stopped and goes on", event.getLastThrowable()));
        Path directory = Path.of(download.directory());
        return new HubDownloader(settings, new ResilientRetry(retry), directory, progress)
                .download(source.id(), source.revision());
    }
}
