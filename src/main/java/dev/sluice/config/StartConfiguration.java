package dev.sluice.config;

import dev.sluice.api.ApiHandler;
import dev.sluice.api.connection.OpenConnections;
import dev.sluice.engine.Drain;
import dev.sluice.engine.EndSignals;
import dev.sluice.engine.Engine;
import dev.sluice.engine.EngineExit;
import dev.sluice.engine.EngineLifecycle;
import dev.sluice.engine.EngineLoader;
import dev.sluice.engine.EngineState;
import dev.sluice.engine.LoadProgress;
import dev.sluice.model.Model;
import dev.sluice.runtime.Clock;
import java.util.List;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Lazy;

/** What is there from the first moment: the engine's state, and whoever starts and ends the engine. */
@Configuration(proxyBeanMethods = false)
@EnableConfigurationProperties(SluiceProperties.class)
class StartConfiguration {

    @Bean
    EngineState engineState(LoadProgress progress) {
        return new EngineState(progress::share);
    }

    @Bean
    EngineExit engineExit(ConfigurableApplicationContext context, EngineState state) {
        return new EngineExit(context, state);
    }

    @Lazy
    @Bean
    ModelNames modelNames(SluiceProperties properties, Model model) {
        List<String> served = properties.model().servedNames();
        if (!served.isEmpty()) {
            return new ModelNames(served);
        }
        String id = properties.model().id();
        return new ModelNames(List.of(id.isEmpty() ? model.name() : id));
    }

    @Bean
    Drain drain(
            OpenConnections connections, SluiceProperties properties, ObjectProvider<EndSignals> signals, Clock clock) {
        Drain drain = new Drain(connections::closeAll, properties.shutdown().drain(), clock);
        signals.ifAvailable(present -> present.onSecond(drain::hurry));
        return drain;
    }

    @Bean
    EngineLifecycle engineLifecycle(
            EngineLoader loader,
            ObjectProvider<Engine> engine,
            ApiHandler handler,
            EngineState state,
            EngineExit exit,
            Drain drain,
            SluiceProperties properties,
            Clock clock) {
        return new EngineLifecycle(
                loader,
                engine::getObject,
                handler::open,
                state,
                exit,
                drain,
                properties.scheduler().watchdog(),
                clock);
    }
}
