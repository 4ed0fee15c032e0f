package dev.sluice.config;

import dev.sluice.engine.EngineLoader;
import dev.sluice.engine.LoadProgress;
import dev.sluice.runtime.Clock;
import dev.sluice.runtime.SystemClock;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.context.ApplicationContextInitializer;
import org.springframework.context.ConfigurableApplicationContext;

/**
 * Begins to load the model before Spring looks for beans; registered in {@code META-INF/spring.factories}. Settings are read
 * here without their constraints: values that break one stop the context, and with it the process.
 */
final class EngineInitializer implements ApplicationContextInitializer<ConfigurableApplicationContext> {

    @Override
    public void initialize(ConfigurableApplicationContext context) {
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
