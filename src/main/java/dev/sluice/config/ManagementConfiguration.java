package dev.sluice.config;

import dev.sluice.api.ManagementFilter;
import dev.sluice.api.connection.Connections;
import dev.sluice.api.connection.OpenConnections;
import dev.sluice.metrics.HttpMeters;
import io.micrometer.core.instrument.MeterRegistry;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.boot.actuate.autoconfigure.web.ManagementContextConfiguration;
import org.springframework.boot.actuate.autoconfigure.web.ManagementContextType;
import org.springframework.boot.actuate.endpoint.web.PathMappedEndpoints;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Condition;
import org.springframework.context.annotation.ConditionContext;
import org.springframework.context.annotation.Conditional;
import org.springframework.core.type.AnnotatedTypeMetadata;

/**
 * What only the context of the management port has: its guards, and the filter that keeps the API out. Listed in {@code
 * META-INF/spring}; if both ports are one, there is no such context.
 */
@Conditional(ManagementConfiguration.OnlyThere.class)
@ManagementContextConfiguration(value = ManagementContextType.CHILD, proxyBeanMethods = false)
class ManagementConfiguration {

    /** The scan for components finds this class for the main context too. */
    static final class OnlyThere implements Condition {

        @Override
        public boolean matches(ConditionContext context, AnnotatedTypeMetadata metadata) {
            ConfigurableListableBeanFactory beans = context.getBeanFactory();
            return beans != null && beans.getParentBeanFactory() != null;
        }
    }

    @Bean
    Connections managementConnections(OpenConnections all, SluiceProperties properties, MeterRegistry registry) {
        Connections connections = new Connections(
                all,
                properties.api().readTimeout(),
                ConnectionLimits.ofManagement(),
                HttpMeters.refusals(registry, "management"));
        HttpMeters.watch(registry, "management", connections);
        return connections;
    }

    @Bean
    ManagementFilter managementFilter(PathMappedEndpoints endpoints) {
        return new ManagementFilter(path -> path.equals(endpoints.getBasePath())
                || endpoints.getAllPaths().stream()
                        .anyMatch(endpoint -> path.equals(endpoint) || path.startsWith(endpoint + "/")));
    }
}
