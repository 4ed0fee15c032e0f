package dev.sluice.config;

import dev.sluice.engine.EngineLoader;
import dev.sluice.engine.LoadProgress;
import dev.sluice.runtime.Clock;
import dev.sluice.runtime.SystemClock;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.context.ApplicationContextInitializer;
import org.springframework.context.ConfigurableApplicationContext;

/**
 * Begins to load the model before Spring looks for beans; registered in {@code META-INF/spring.factories}. Settings are read
 * here without their constraints: values that break one stop the context, and with it the process.
 */
final class EngineInitializer implements ApplicationContextInitializer<ConfigurableApplicationContext> {

    private static final Logger LOG = LoggerFactory.getLogger(EngineInitializer.class);

    /** Of this jar. */
    static String version() {
        String version = EngineInitializer.class.getPackage().getImplementationVersion();
        return version == null ? "development" : version;
    }

    @Override
    public void initialize(ConfigurableApplicationContext context) {
        LOG.info(
                "Sluice {} on Java {}, process {}, profiles {}",
                version(),
                Runtime.version(),
                ProcessHandle.current().pid(),
                List.of(context.getEnvironment().getActiveProfiles()));
        Clock clock = new SystemClock();
        LoadProgress progress = LoadProgress.ofProcess(clock);
        Binder binder = Binder.get(context.getEnvironment());
        EngineLoader loader = EngineLoader.start(
                () -> new ModelOpener(settings(binder).model(), progress).open(),
                model -> ExecutorFactory.executor(settings(binder), model, clock));
        ConfigurableListableBeanFactory beans = context.getBeanFactory();
        beans.registerSingleton("clock", clock);
        beans.registerSingleton("loadProgress", progress);
        beans.registerSingleton("engineLoader", loader);
    }

    private static SluiceProperties settings(Binder binder) {
        return binder.bindOrCreate("sluice", SluiceProperties.class);
    }
}
