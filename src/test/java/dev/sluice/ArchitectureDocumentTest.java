package dev.sluice;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The document on the architecture names only what is there, and leaves no room out. */
class ArchitectureDocumentTest {

    private static final Path DOCUMENT = Path.of("src/docs/architecture.md");
    private static final Pattern QUOTED = Pattern.compile("`([^`\n]+)`");
    private static final Pattern CLASS = Pattern.compile("[A-Z][a-zA-Z0-9]*[a-z][a-zA-Z0-9]*");
    private static final Pattern MEMBER = Pattern.compile("([A-Z][a-zA-Z0-9]+)\\.([a-z][a-zA-Z0-9]*)\\(\\)");
    private static final Pattern PATH = Pattern.compile("(?:src|config|helm)/[^ ]+");
    private static final Pattern ROOM =
            Pattern.compile("(?:dev\\.sluice\\.)?((?:api|executor|offload|model|jinja)(?:\\.[a-z]+)*)");
    private static final Pattern DRAWN = Pattern.compile("\\b[A-Z][a-z0-9]+[A-Z][a-zA-Z0-9]+\\b");
    private static final Pattern SETTING = Pattern.compile("sluice\\.[a-z.-]+");
    private static final Pattern ROW = Pattern.compile("(?m)^\\| (`[a-z].*?) \\|");

    private static final Map<String, String> SOURCES = new HashMap<>();
    private static String document;

    @BeforeAll
    static void read() throws IOException {
        document = Files.readString(DOCUMENT);
        for (String root : List.of("src/main/java", "src/test/java", "src/jmh/java")) {
            try (Stream<Path> files = Files.walk(Path.of(root))) {
                files.filter(file -> file.toString().endsWith(".java")).forEach(file -> {
                    try {
                        SOURCES.merge(
                                file.getFileName().toString().replace(".java", ""),
                                Files.readString(file),
                                String::concat);
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                });
            }
        }
    }

    @Test
    void everyNameInQuotesExists() {
        List<String> names = matches(QUOTED, document, 1);
        List<String> missing = new ArrayList<>();
        int classes = 0;
        for (String name : names) {
            var member = MEMBER.matcher(name);
            if (member.matches()) {
                String source = SOURCES.getOrDefault(member.group(1), "");
                check(source.contains(" " + member.group(2) + "("), name, missing);
            } else if (CLASS.matcher(name).matches() && !List.of("True", "None").contains(name)) {
                classes++;
                check(SOURCES.containsKey(name), name, missing);
            } else if (PATH.matcher(name).matches()) {
                check(Files.exists(Path.of(name)), name, missing);
            } else if (SETTING.matcher(name).matches()) {
                check(settingExists(name), name, missing);
            } else {
                var room = ROOM.matcher(name);
                if (room.matches()) {
                    Path directory =
                            Path.of("src/main/java/dev/sluice", room.group(1).split("\\."));
                    check(Files.isDirectory(directory), name, missing);
                }
            }
        }
        assertThat(missing)
                .as("names in " + DOCUMENT + " that the code does not have")
                .isEmpty();
        assertThat(classes).as("classes named").isGreaterThan(80);
    }

    @Test
    void everyNameInAPictureExists() {
        String pictures = String.join("\n", matches(Pattern.compile("(?s)```(.*?)```"), document, 1));
        List<String> drawn = matches(DRAWN, pictures, 0);
        assertThat(drawn)
                .hasSizeGreaterThan(30)
                .allSatisfy(name -> assertThat(SOURCES).containsKey(name));
    }

    @Test
    void everyRoomIsListed() throws IOException {
        String listed = String.join(" ", matches(ROW, document, 1));
        try (Stream<Path> rooms = Files.list(Path.of("src/main/java/dev/sluice"))) {
            assertThat(rooms.filter(Files::isDirectory)
                            .map(room -> room.getFileName().toString()))
                    .allSatisfy(room -> assertThat(listed).contains("`" + room + "`"));
        }
    }

    private static boolean settingExists(String name) {
        String key = name.substring(name.lastIndexOf('.') + 1);
        try {
            return Files.readString(Path.of("config/application.yaml")).contains(key + ":");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void check(boolean exists, String name, List<String> missing) {
        if (!exists) {
            missing.add(name);
        }
    }

    private static List<String> matches(Pattern pattern, String text, int group) {
        return pattern.matcher(text)
                .results()
                .map((MatchResult match) -> match.group(group))
                .toList();
    }
}
