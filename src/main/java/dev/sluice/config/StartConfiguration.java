package dev.sluice.config;

import dev.sluice.api.FrontDoor;
import dev.sluice.model.Model;
import dev.sluice.runtime.Clock;
import dev.sluice.runtime.SystemClock;
import java.util.List;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.context.ApplicationContext;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Lazy;

/** What is there from the first moment: the clock, the engine's state, and whoever starts and ends the engine. */
@Configuration(proxyBeanMethods = false)
@EnableConfigurationProperties(SluiceProperties.class)
class StartConfiguration {

    @Bean
    Clock clock() {
        return new SystemClock();
    }

    @Bean
    EngineState engineState(EngineForge forge) {
        return new EngineState(forge.progress());
    }

    @Bean
    EngineDeath engineDeath(ConfigurableApplicationContext context, EngineState state) {
        return new EngineDeath(context, state);
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
        Drain drain = new Drain(connections, properties.shutdown().drain(), clock);
        signals.ifAvailable(present -> present.onSecond(drain::hurry));
        return drain;
    }

    @Bean
    EngineStarter engineStarter(
            ApplicationContext context,
            SluiceProperties properties,
            EngineState state,
            EngineDeath death,
            FrontDoor door,
            Drain drain,
            Clock clock) {
        return new EngineStarter(context, properties, state, death, door, drain, clock);
    }
}
