package dev.sluice.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.boot.context.properties.source.MapConfigurationPropertySource;

/** Whoever names keys gets authentication or no server. */
class ApiKeysTest {

    @TempDir
    private Path directory;

    private static List<String> read(Map<String, String> said) {
        return ApiKeys.read(new Binder(new MapConfigurationPropertySource(said))
                .bindOrCreate("sluice", SluiceProperties.class)
                .api());
    }

    private String file(String content) throws IOException {
        return Files.writeString(directory.resolve("keys"), content, StandardCharsets.ISO_8859_1)
                .toString();
    }

    @Test
    void keysComeFromBothPlaces() throws IOException {
        assertThat(read(Map.of())).isEmpty();
        assertThat(read(Map.of("sluice.api.keys", ""))).isEmpty(); // as an empty list in YAML is bound
        assertThat(read(Map.of("sluice.api.keys", "a, b", "sluice.api.keys-file", file("\nc \r\n\n d\n"))))
                .containsExactly("a", "b", "c", "d");
    }

    @ParameterizedTest
    @ValueSource(strings = {" ", ",", "a,", ",a", "a, ,b", "two words", "schl\u00fcssel", "tab\tkey"})
    void aKeyThatNobodyCanSendStopsTheStart(String keys) {
        assertThatThrownBy(() -> read(Map.of("sluice.api.keys", keys)))
                .isInstanceOf(IllegalSettingException.class)
                .hasMessageStartingWith("sluice.api.keys: key ")
                .hasMessageNotContainingAny("words", "ssel", "tab");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", "\n\n", "\t\r\n  \n"})
    void aFileWithoutAKeyStopsTheStart(String content) throws IOException {
        String file = file(content);
        assertThatThrownBy(() -> read(Map.of("sluice.api.keys-file", file, "sluice.api.keys", "a")))
                .isInstanceOf(IllegalSettingException.class)
                .hasMessageStartingWith("sluice.api.keys-file holds no key");
    }

    @ParameterizedTest
    @ValueSource(strings = {"good\ntwo words\n", "good\n\u00e9\n"})
    void aLineThatIsNoKeyStopsTheStart(String content) throws IOException {
        String file = file(content);
        assertThatThrownBy(() -> read(Map.of("sluice.api.keys-file", file)))
                .isInstanceOf(IllegalSettingException.class)
                .hasMessageStartingWith("sluice.api.keys-file")
                .hasMessageNotContainingAny("words");
    }

    @Test
    void aFileThatIsNotThereStopsTheStart() {
        for (String file : List.of(directory.resolve("none").toString(), directory.toString(), "a\u0000b")) {
            assertThatThrownBy(() -> read(Map.of("sluice.api.keys-file", file)))
                    .isInstanceOf(IllegalSettingException.class)
                    .hasMessageStartingWith("sluice.api.keys-file cannot be read");
        }
    }
}
