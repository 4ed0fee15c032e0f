package dev.sluice.text;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.util.Utils;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class PretrainedTokenizerTest {

    private static final Path TOKENIZER = Path.of("src/main/resources/models/minimind2-small/tokenizer.json");

    @Test
    void theLibraryIsToldNotToReportItsUse() throws IOException {
        PretrainedTokenizer.read(Files.readAllBytes(TOKENIZER)).close();
        // What the library asks before it opens a connection, see Ec2Utils.callHome there.
        assertThat(Boolean.parseBoolean(Utils.getEnvOrSystemProperty("OPT_OUT_TRACKING")))
                .isTrue();
    }
}
