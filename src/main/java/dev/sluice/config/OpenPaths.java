package dev.sluice.config;

import java.util.Set;
import java.util.function.Predicate;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.actuate.endpoint.EndpointId;
import org.springframework.boot.actuate.endpoint.web.PathMappedEndpoints;
import org.springframework.util.function.SingletonSupplier;

/**
 * Which paths need no key, the same on both ports: probes never need one, and what measures needs one only if the operator
 * says so.
 */
final class OpenPaths implements Predicate<String> {

    private static final Set<String> PROBES =
            Set.of("/health", "/health/ready", "/ping", "/livez", "/readyz", "/version");
    private static final Set<String> MEASURES = Set.of("/metrics", "/load");
    private static final Set<EndpointId> MEASURING = Set.of(EndpointId.of("prometheus"), EndpointId.of("metrics"));

    private final boolean metricsNeedKey;
    private final SingletonSupplier<PathMappedEndpoints> endpoints;

    /** @param endpoints those of the management port; asked for with the first request, when all of them are known */
    OpenPaths(boolean metricsNeedKey, ObjectProvider<PathMappedEndpoints> endpoints) {
        this.metricsNeedKey = metricsNeedKey;
        this.endpoints = SingletonSupplier.ofNullable(endpoints::getIfAvailable);
    }

    @Override
    public boolean test(String path) {
        if (PROBES.contains(path) || isOf(EndpointId.of("health"), path)) {
            return true;
        }
        return !metricsNeedKey
                && (MEASURES.contains(path) || MEASURING.stream().anyMatch(endpoint -> isOf(endpoint, path)));
    }

    private boolean isOf(EndpointId endpoint, String path) {
        PathMappedEndpoints known = endpoints.get(); // null without a management port
        String root = known == null ? null : known.getPath(endpoint);
        return root != null && (path.equals(root) || path.startsWith(root + "/"));
    }
}
