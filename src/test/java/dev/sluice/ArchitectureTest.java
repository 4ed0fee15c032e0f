package dev.sluice;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import dev.sluice.architecture.HouseRules;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** The rules of the house hold for the house, and each of them fails on a house that breaks it. */
class ArchitectureTest {

    private static final String HOUSE = "dev.sluice";
    private static final String WRONG_HOUSE = "dev.sluice.architecture.wrong";
    private static final int LINES_MAX = 400;

    private static JavaClasses classesOf(String root, boolean tests) {
        ClassFileImporter importer = new ClassFileImporter();
        return (tests ? importer : importer.withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS))
                .importPackages(root);
    }

    @TestFactory
    Stream<DynamicTest> theHouseKeepsItsRules() {
        JavaClasses house = classesOf(HOUSE, false);
        return HouseRules.of(HOUSE).entrySet().stream()
                .map(rule -> DynamicTest.dynamicTest(
                        rule.getKey(), () -> rule.getValue().check(house)));
    }

    @TestFactory
    Stream<DynamicTest> everyRuleBites() {
        JavaClasses wrong = classesOf(WRONG_HOUSE, true);
        Map<String, ArchRule> rules = HouseRules.of(WRONG_HOUSE);
        return rules.entrySet().stream()
                .map(rule -> DynamicTest.dynamicTest(
                        rule.getKey(),
                        () -> assertThatThrownBy(() -> rule.getValue().check(wrong))
                                .isInstanceOf(AssertionError.class)));
    }

    @Test
    void noFileIsLongerThanAReaderCanHold() {
        assertThat(sources(Path.of("src/main")).filter(file -> lines(file).size() > LINES_MAX))
                .as("Java files above %d lines", LINES_MAX)
                .isEmpty();
    }

    private static Stream<Path> sources(Path root) {
        try (Stream<Path> files = Files.walk(root)) {
            return files.filter(file -> file.toString().endsWith(".java")).toList().stream();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<String> lines(Path file) {
        try {
            return Files.readAllLines(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
