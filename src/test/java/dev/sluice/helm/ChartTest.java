package dev.sluice.helm;

import static dev.sluice.helm.RenderedChart.at;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.marcnuri.helm.Helm;
import com.marcnuri.helm.LintResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ChartTest {

    @Test
    void lintsWithoutAWarning() {
        LintResult result = new Helm(RenderedChart.CHART).lint().strict().call();
        assertThat(result.isFailed())
                .as(String.join("\n", result.getMessages()))
                .isFalse();
    }

    @ParameterizedTest
    @CsvSource({
        "unknown.key, 1",
        "engine.unknown, 1",
        "replicaCount, many",
        "engine.kvMemory, 12",
        "offload.hostMemory, much",
        "service.type, Magic",
        "queue.timeout, soon",
        "gpu.count, 2",
        "gpu.memoryUtilization, 1.5",
        "shutdown.drainSeconds, 0"
    })
    void aValueThatWouldDoNothingIsRefused(String key, String value) {
        assertThatThrownBy(() -> new RenderedChart(key, value)).hasMessageContaining("values");
    }

    @Test
    void twoSourcesOfAModelAreRefused() {
        assertThatThrownBy(() -> new RenderedChart("model.path", "/models/a", "model.id", "b/c"))
                .hasMessageContaining("model.path and model.id");
    }

    @Test
    void aGpuServesWhereThereIsOne() {
        RenderedChart chart = new RenderedChart(
                "gpu.count", "1", "gpu.resourceName", "nvidia.com/mig-3g.40gb", "gpu.runtimeClassName", "nvidia");
        assertThat(config(chart))
                .contains("type: cuda")
                .contains("kernel-cache: /tmp/kernels")
                .contains("max-sequences: 256")
                .contains("max-batched-tokens: 8192");
        assertThat(at(chart.container(), "resources", "limits"))
                .containsEntry("nvidia.com/mig-3g.40gb", 1)
                .containsEntry("memory", "2Gi");
        assertThat(chart.pod()).containsEntry("runtimeClassName", "nvidia");
        RenderedChart without = new RenderedChart("gpu.runtimeClassName", "nvidia");
        assertThat(config(without)).doesNotContain("cuda").contains("max-batched-tokens: 512");
        assertThat(without.container().get("resources").toString()).doesNotContain("nvidia");
        assertThat(without.pod()).doesNotContainKey("runtimeClassName");
    }

    @Test
    void blocksAreOffloadedToMemoryAndDisk() {
        RenderedChart chart = new RenderedChart("offload.hostMemory", "4GB", "offload.diskSize", "20GB");
        assertThat(config(chart))
                .contains("host-memory: 4GB")
                .contains("directory: /var/cache/sluice/kv\n      size: 20GB");
        assertThat(chart.container().get("volumeMounts").toString()).contains("/var/cache/sluice");
        assertThat(config(new RenderedChart())).doesNotContain("offload");
    }

    @Test
    void aDiskBehindNoMemoryIsRefused() {
        assertThatThrownBy(() -> new RenderedChart("offload.diskSize", "20GB"))
                .hasMessageContaining("needs offload.hostMemory");
    }

    @Test
    void thePodIsRestricted() {
        RenderedChart chart = new RenderedChart();
        Map<String, Object> pod = at(chart.pod(), "securityContext");
        assertThat(pod).containsEntry("runAsNonRoot", true).containsEntry("runAsUser", 10001);
        assertThat(at(chart.pod(), "securityContext", "seccompProfile")).containsEntry("type", "RuntimeDefault");
        Map<String, Object> container = at(chart.container(), "securityContext");
        assertThat(container)
                .containsEntry("allowPrivilegeEscalation", false)
                .containsEntry("readOnlyRootFilesystem", true);
        assertThat(at(chart.container(), "securityContext", "capabilities")).containsEntry("drop", List.of("ALL"));
        assertThat(chart.pod()).containsEntry("automountServiceAccountToken", false);
    }

    @Test
    void theGracePeriodCoversSleepAndDrain() {
        RenderedChart chart = new RenderedChart("shutdown.preStopSleepSeconds", "20", "shutdown.drainSeconds", "90");
        assertThat(chart.pod()).containsEntry("terminationGracePeriodSeconds", 125);
        assertThat(at(chart.container(), "lifecycle", "preStop", "sleep")).containsEntry("seconds", 20);
        assertThat(config(chart)).contains("drain: 90s").contains("timeout-per-shutdown-phase: 100s");
    }

    @Test
    void theServiceFindsThePodAndItsPorts() {
        RenderedChart chart = new RenderedChart();
        Map<String, Object> labels = at(chart.object("Deployment"), "spec", "template", "metadata", "labels");
        assertThat(labels).containsAllEntriesOf(at(chart.object("Service"), "spec", "selector"));
        assertThat(at(chart.object("Deployment"), "spec", "selector", "matchLabels"))
                .isEqualTo(at(chart.object("Service"), "spec", "selector"));
        assertThat(chart.container().get("ports").toString())
                .contains("http")
                .contains("8080")
                .contains("8081");
    }

    @Test
    void aChangedConfigurationRollsThePods() {
        assertThat(checksum(new RenderedChart("engine.maxSequences", "7"))).isNotEqualTo(checksum(new RenderedChart()));
    }

    private static Object checksum(RenderedChart chart) {
        return at(chart.object("Deployment"), "spec", "template", "metadata", "annotations")
                .get("checksum/config");
    }

    @Test
    void keysComeFromAMountedSecret() {
        RenderedChart chart = new RenderedChart("auth.existingSecret", "my-keys");
        assertThat(config(chart)).contains("keys-file: /etc/sluice/keys/keys");
        assertThat(chart.pod().get("volumes").toString()).contains("secretName=my-keys");
        assertThat(new RenderedChart().pod().get("volumes").toString()).doesNotContain("secretName");
    }

    @Test
    void anyPropertyCanBeSet() {
        RenderedChart chart = new RenderedChart("engine.properties.sluice\\.kv\\.prefix-caching", "false");
        assertThat(at(chart.object("ConfigMap"), "data").get("extra.properties").toString())
                .contains("sluice.kv.prefix-caching=false");
    }

    @Test
    void theImageStartsWithTheOptionsOfTheVirtualMachineThatTheRepositoryHas() throws Exception {
        String dockerfile = Files.readString(Path.of("src/main/docker/Dockerfile"));
        assertThat(dockerfile)
                .contains("COPY config/jvm.options /app/config/jvm.options")
                .contains("USER 10001:10001");
        assertThat(new RenderedChart().container().get("command"))
                .isEqualTo(List.of("java", "@/app/config/jvm.options"));
    }

    private static String config(RenderedChart chart) {
        return at(chart.object("ConfigMap"), "data").get("application.yaml").toString();
    }
}
