package dev.sluice.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What was checked is what is opened, whatever happens to names in between. */
class DirectorySourceTest {

    @TempDir
    private Path temp;

    private Path model;
    private Path secret;

    @BeforeEach
    void files() throws IOException {
        model = Files.createDirectory(temp.resolve("model"));
        secret = Files.writeString(temp.resolve("secret"), "secret");
        Files.writeString(model.resolve("config.json"), "mine");
    }

    private static String content(FileChannel channel) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(100);
        channel.read(bytes);
        return new String(bytes.array(), 0, bytes.position(), java.nio.charset.StandardCharsets.UTF_8);
    }

    @Test
    void aFileThatHasBecomeALinkIsNotRead() throws IOException {
        for (boolean links : new boolean[] {false, true}) {
            files(links);
        }
    }

    private void files(boolean allowSymlinks) throws IOException {
        DirectorySource source = new DirectorySource(model, allowSymlinks);
        Path checked = source.locate("config.json");
        try (FileChannel channel = source.open(checked)) {
            assertThat(content(channel)).isEqualTo("mine");
        }
        Files.delete(model.resolve("config.json"));
        Files.createSymbolicLink(model.resolve("config.json"), secret);
        assertThatThrownBy(() -> source.open(checked)).isInstanceOf(IOException.class);
        Files.delete(model.resolve("config.json"));
        Files.writeString(model.resolve("config.json"), "mine");
    }

    @Test
    void aDirectoryOnTheWayThatHasBecomeALinkIsNotEntered() throws IOException {
        Path below = Files.createDirectory(model.resolve("below"));
        Files.writeString(below.resolve("secret"), "mine");
        Files.createSymbolicLink(model.resolve("weights"), Path.of("below/secret"));
        DirectorySource source = new DirectorySource(model, false);
        Path checked = source.locate("weights");
        try (FileChannel channel = source.open(checked)) {
            assertThat(content(channel)).isEqualTo("mine");
        }
        Files.move(below, model.resolve("moved"));
        Files.createSymbolicLink(below, temp);
        assertThat(Files.readString(checked)).isEqualTo("secret"); // so it would be by name
        assertThatThrownBy(() -> source.open(checked)).isInstanceOf(IOException.class);
    }

    @Test
    void aLinkThatIsAllowedLeadsOnlyWhereItLed() throws IOException {
        Path blob = Files.writeString(temp.resolve("blob"), "blob");
        Files.createSymbolicLink(model.resolve("weights"), blob);
        DirectorySource source = new DirectorySource(model, true);
        Path checked = source.locate("weights");
        Files.delete(model.resolve("weights"));
        Files.createSymbolicLink(model.resolve("weights"), secret);
        try (FileChannel channel = source.open(checked)) {
            assertThat(content(channel)).isEqualTo("blob");
        }
        Files.delete(blob);
        Files.createSymbolicLink(blob, secret);
        assertThatThrownBy(() -> source.open(checked)).isInstanceOf(IOException.class);
    }
}
