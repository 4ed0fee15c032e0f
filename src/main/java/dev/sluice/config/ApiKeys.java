package dev.sluice.config;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/** The keys of the API. Whoever names keys wants authentication: keys that nobody could send stop the start. */
final class ApiKeys {

    private static final Pattern SENDABLE = Pattern.compile("[\\x21-\\x7e]{1,4096}");

    private ApiKeys() {}

    /**
     * All keys of the settings; empty if none are set.
     *
     * @throws IllegalSettingException if one of them is no key, or the file has none
     */
    static List<String> read(SluiceProperties.Api settings) {
        List<String> keys = new ArrayList<>();
        for (String key : settings.keys()) {
            keys.add(sendable(key, "sluice.api.keys: key " + (keys.size() + 1)));
        }
        String file = settings.keysFile();
        if (file == null || file.isEmpty()) {
            return keys;
        }
        List<String> lines = lines(file);
        int before = keys.size();
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i).strip();
            if (!line.isEmpty()) {
                keys.add(sendable(line, "sluice.api.keys-file: line " + (i + 1)));
            }
        }
        if (keys.size() == before) {
            throw new IllegalSettingException("sluice.api.keys-file holds no key: " + file);
        }
        return keys;
    }

    private static List<String> lines(String file) {
        try {
            return Files.readAllLines(Path.of(file));
        } catch (IOException | InvalidPathException e) {
            throw new IllegalSettingException("sluice.api.keys-file cannot be read: " + file);
        }
    }

    private static String sendable(String key, String where) {
        if (!SENDABLE.matcher(key).matches()) {
            throw new IllegalSettingException(
                    where + " is no key: it must have 1 to 4096 visible ASCII characters and no space");
        }
        return key;
    }
}
