package dev.sluice.config;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.executor.cuda.CudaSettings;
import java.io.IOException;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.boot.env.YamlPropertySourceLoader;
import org.springframework.core.env.StandardEnvironment;
import org.springframework.core.env.SystemEnvironmentPropertySource;
import org.springframework.core.io.FileSystemResource;

/** Where cuBLASLt is looked for, as the documented file and the environment say it. */
class CudaPropertiesTest {

    private static CudaSettings settings(Map<String, Object> environment) throws IOException {
        StandardEnvironment all = new StandardEnvironment();
        all.getPropertySources().addFirst(new SystemEnvironmentPropertySource("test-systemEnvironment", environment));
        new YamlPropertySourceLoader()
                .load("documented", new FileSystemResource("config/application.yaml"))
                .forEach(all.getPropertySources()::addLast);
        return ExecutorFactory.cudaSettings(Binder.get(all).bindOrCreate("sluice", SluiceProperties.class));
    }

    @Test
    void cublasLtIsLookedForUnlessItIsNamed() throws IOException {
        assertThat(settings(Map.of()).cublas()).isTrue();
        assertThat(settings(Map.of()).cublasLibrary()).isEmpty();
    }

    /** The checks on a GPU host name it so, for the server as for themselves. */
    @Test
    void theEnvironmentNamesCublasLt() throws IOException {
        Map<String, Object> environment = Map.of("SLUICE_EXECUTOR_CUDA_CUBLASLIBRARY", "/wheels/libcublasLt.so.13");
        assertThat(settings(environment).cublasLibrary()).isEqualTo("/wheels/libcublasLt.so.13");
    }
}
