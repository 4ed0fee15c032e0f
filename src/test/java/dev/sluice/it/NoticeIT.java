package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What the jar carries is listed in it, and what is not under the Apache licence is named in its notice. */
class NoticeIT {

    private static final Path META_INF = Path.of("target/classes/META-INF");

    @Test
    void everyLibraryUnderAnotherLicenceIsNamed() throws IOException {
        JsonNode components = JsonMapper.shared()
                .readTree(Files.readAllBytes(META_INF.resolve("sbom/application.cdx.json")))
                .path("components");
        String notice = Files.readString(META_INF.resolve("NOTICE"));
        List<String> others = StreamSupport.stream(components.spliterator(), false)
                .filter(component -> !licences(component).equals(List.of("Apache-2.0")))
                .map(component -> component.path("name").asString())
                .toList();
        assertThat(others).as("libraries under other licences").contains("logback-core", "slf4j-api");
        assertThat(others).allSatisfy(name -> assertThat(notice).contains(name));
        assertThat(Files.readString(META_INF.resolve("LICENSE"))).contains("Apache License", "Version 2.0");
    }

    @Test
    void theListHasTheLibrariesOfTheJarAndNoTestLibrary() throws IOException {
        String list = Files.readString(META_INF.resolve("sbom/application.cdx.json"));
        assertThat(list).contains("\"name\" : \"netty-handler\"", "\"name\" : \"tokenizers\"");
        assertThat(list).doesNotContain("junit", "archunit", "openai-java", "jmh-core", "\"timestamp\"");
    }

    private static List<String> licences(JsonNode component) {
        return StreamSupport.stream(component.path("licenses").spliterator(), false)
                .map(choice -> choice.path("license").path("id").asString("unknown"))
                .toList();
    }
}
