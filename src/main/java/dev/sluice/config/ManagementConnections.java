package dev.sluice.config;

import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.boot.actuate.autoconfigure.web.ManagementContextConfiguration;
import org.springframework.boot.actuate.autoconfigure.web.ManagementContextType;
import org.springframework.boot.reactor.netty.NettyReactiveWebServerFactory;
import org.springframework.boot.web.server.WebServerFactoryCustomizer;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Condition;
import org.springframework.context.annotation.ConditionContext;
import org.springframework.context.annotation.Conditional;
import org.springframework.core.type.AnnotatedTypeMetadata;

/** Puts the connections of the management port, whose server has a context of its own, among the others. */
@Conditional(ManagementConnections.OnlyThere.class)
@ManagementContextConfiguration(value = ManagementContextType.CHILD, proxyBeanMethods = false)
class ManagementConnections {

    /** The scan for components finds this class for the main context too. */
    static final class OnlyThere implements Condition {

        @Override
        public boolean matches(ConditionContext context, AnnotatedTypeMetadata metadata) {
            ConfigurableListableBeanFactory beans = context.getBeanFactory();
            return beans != null && beans.getParentBeanFactory() != null;
        }
    }

    @Bean
    WebServerFactoryCustomizer<NettyReactiveWebServerFactory> managementReaders(OpenConnections connections) {
        return connections;
    }
}
