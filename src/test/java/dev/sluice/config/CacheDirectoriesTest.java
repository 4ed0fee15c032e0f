package dev.sluice.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.boot.env.YamlPropertySourceLoader;
import org.springframework.core.env.MapPropertySource;
import org.springframework.core.env.StandardEnvironment;
import org.springframework.core.io.ClassPathResource;
import org.springframework.core.io.FileSystemResource;
import org.springframework.core.io.Resource;

/** Where a server keeps what it can get again, as its operator says it, or does not. */
class CacheDirectoriesTest {

    private static final String HOME = System.getProperty("user.home");
    private static final Resource PACKAGED = new ClassPathResource("application.yaml");
    private static final Resource DOCUMENTED = new FileSystemResource("config/application.yaml");

    private static SluiceProperties properties(Resource defaults, Map<String, Object> said) throws IOException {
        StandardEnvironment environment = new StandardEnvironment();
        environment.getPropertySources().addFirst(new MapPropertySource("said", said));
        new YamlPropertySourceLoader().load("defaults", defaults).forEach(environment.getPropertySources()::addLast);
        return Binder.get(environment).bindOrCreate("sluice", SluiceProperties.class);
    }

    private static SluiceProperties properties(String kernelCache) throws IOException {
        return properties(PACKAGED, Map.of("sluice.executor.cuda.kernel-cache", kernelCache));
    }

    @Test
    void compiledKernelsAreUnderTheHomeOfTheUserUnlessSaid() throws IOException {
        for (Resource defaults : new Resource[] {PACKAGED, DOCUMENTED}) {
            assertThat(ExecutorFactory.cudaSettings(properties(defaults, Map.of()))
                            .kernelCache())
                    .isEqualTo(Path.of(HOME, ".cache/sluice/kernels"));
        }
    }

    @Test
    void modelsAreDownloadedUnderTheHomeOfTheUserUnlessSaid() throws IOException {
        for (Resource defaults : new Resource[] {PACKAGED, DOCUMENTED}) {
            assertThat(properties(defaults, Map.of()).model().download().directory())
                    .isEqualTo(HOME + "/.cache/sluice");
        }
    }

    @Test
    void compiledKernelsAreWhereIsSaidOrNowhere() throws IOException {
        assertThat(ExecutorFactory.cudaSettings(properties("/kernels")).kernelCache())
                .isEqualTo(Path.of("/kernels"));
        assertThat(ExecutorFactory.cudaSettings(properties("")).kernelCache()).isNull();
    }
}
