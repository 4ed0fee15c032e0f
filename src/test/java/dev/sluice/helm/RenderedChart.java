package dev.sluice.helm;

import com.marcnuri.helm.Helm;
import com.marcnuri.helm.TemplateCommand;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.yaml.snakeyaml.Yaml;

/** The objects that the chart makes of some values. */
final class RenderedChart {

    static final Path CHART = Path.of("helm").toAbsolutePath();

    private final List<Map<String, Object>> objects = new ArrayList<>();

    /** @param values alternating paths and values, as {@code --set} takes them */
    RenderedChart(String... values) {
        TemplateCommand template = new Helm(CHART).template().withName("demo").withKubeVersion("1.32.0");
        for (int i = 0; i < values.length; i += 2) {
            template.set(values[i], values[i + 1]);
        }
        for (Object document : new Yaml().loadAll(template.call())) {
            if (document instanceof Map<?, ?> object) {
                objects.add(cast(object));
            }
        }
    }

    @SuppressWarnings("unchecked") // YAML maps have string keys here
    private static Map<String, Object> cast(Object map) {
        return (Map<String, Object>) map;
    }

    Map<String, Object> object(String kind) {
        return objects.stream()
                .filter(object -> kind.equals(object.get("kind")))
                .findFirst()
                .orElseThrow(() -> new AssertionError("the chart makes no " + kind));
    }

    List<Map<String, Object>> objects() {
        return objects;
    }

    Map<String, Object> pod() {
        return at(object("Deployment"), "spec", "template", "spec");
    }

    @SuppressWarnings("unchecked")
    Map<String, Object> container() {
        return ((List<Map<String, Object>>) pod().get("containers")).getFirst();
    }

    static Map<String, Object> at(Map<String, Object> object, String... path) {
        Map<String, Object> current = object;
        for (String name : path) {
            current = cast(current.get(name));
            if (current == null) {
                throw new AssertionError("nothing at " + String.join(".", path));
            }
        }
        return current;
    }
}
