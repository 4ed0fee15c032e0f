package dev.sluice.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.testkit.ModelFixtures;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class SafetensorsFileTest {

    private static final String TWO_TENSORS = """
            {"__metadata__":{"format":"pt"},
             "b":{"dtype":"BF16","shape":[2],"data_offsets":[8,12]},
             "a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}""";

    @Test
    void tensorsAreSlicesOfTheDataInTheOrderOfTheirBytes() {
        byte[] file = ModelFixtures.safetensors(TWO_TENSORS, 12);
        file[file.length - 1] = 77;

        SafetensorsFile read = of(file);

        assertThat(read.tensors().keySet()).containsExactly("a", "b");
        Tensor b = tensor(read, "b");
        assertThat(b.type()).isEqualTo(DataType.BF16);
        assertThat(b.shape()).containsExactly(2);
        assertThat(b.data().byteSize()).isEqualTo(4);
        assertThat(b.data().get(ValueLayout.JAVA_BYTE, 3)).isEqualTo((byte) 77);
        assertThat(b.data().isReadOnly()).isTrue();
    }

    @Test
    void mappingAndCopyingGiveTheSameTensors(@TempDir Path directory) throws IOException {
        byte[] bytes = ModelFixtures.safetensors(TWO_TENSORS, 12);
        bytes[bytes.length - 12] = 5;
        Path path = Files.write(directory.resolve("x.safetensors"), bytes);
        try (Arena arena = Arena.ofConfined();
                FileChannel channel = FileChannel.open(path)) {
            SafetensorsFile mapped = SafetensorsFile.map("x", channel, arena);
            SafetensorsFile copied = SafetensorsFile.read("x", new ByteArrayInputStream(bytes), bytes.length, arena);
            assertThat(mapped.tensors().keySet()).isEqualTo(copied.tensors().keySet());
            mapped.tensors()
                    .forEach((name, tensor) -> assertThat(
                                    tensor.data().mismatch(tensor(copied, name).data()))
                            .as(name)
                            .isEqualTo(-1));
        }
    }

    @Test
    void streamOfAnotherLengthThanAnnouncedIsRefused() {
        byte[] bytes = ModelFixtures.safetensors(TWO_TENSORS, 12);
        try (Arena arena = Arena.ofConfined()) {
            for (long announced : new long[] {bytes.length - 1, bytes.length + 1}) {
                assertThatThrownBy(() -> SafetensorsFile.read("x", new ByteArrayInputStream(bytes), announced, arena))
                        .isInstanceOf(ModelFormatException.class)
                        .hasMessageContaining("announced");
            }
        }
    }

    @Test
    void scalarAndSpacesBehindTheHeaderAreFine() {
        byte[] file =
                ModelFixtures.safetensors("{\"s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}   ", 4);
        assertThat(tensor(of(file), "s").elementCount()).isEqualTo(1);
    }

    @Test
    void typesThatNobodyComputesWithAreSetAside() {
        SafetensorsFile read =
                of(ModelFixtures.safetensors("{\"m\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}", 3));
        assertThat(read.tensors()).isEmpty();
        assertThat(read.unservedTypes()).containsEntry("m", "U8");
    }

    static Stream<Arguments> lengthFields() {
        byte[] header = "{}".getBytes(StandardCharsets.UTF_8);
        return Stream.of(0L, 1L, 3L, 100L, 100_000_001L, Long.MAX_VALUE, Long.MIN_VALUE, -1L, -8L)
                .map(length -> Arguments.of(length, ModelFixtures.safetensors(length, header, new byte[0])));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("lengthFields")
    void headerLengthThatCannotBeIsRefused(long announced, byte[] file) {
        assertRefused(file, "announces a header of " + Long.toUnsignedString(announced) + " bytes");
    }

    @Test
    void fileShorterThanItsLengthFieldIsRefused() {
        assertRefused(new byte[0], "too short");
        assertRefused(new byte[7], "too short");
    }

    static Stream<Arguments> headers() {
        return Stream.of(
                Arguments.of("[]", "not a JSON object"),
                Arguments.of(" {}", "not a JSON object"),
                Arguments.of("{}{}", "goes on"),
                Arguments.of("{} x", "not valid JSON"),
                Arguments.of("{\"a\":", "not valid JSON"),
                Arguments.of("{\"a\":" + "[".repeat(100_000), "not described by an object"),
                Arguments.of("{\"a\":{\"shape\":" + "[".repeat(100_000), "not an integer"),
                Arguments.of("{\"a\":" + "{\"shape\":[".repeat(100_000), "not an integer"),
                Arguments.of("{\"" + "n".repeat(2_000) + "\":1}", "names of 1024"),
                Arguments.of("{\"__metadata__\":1}", "__metadata__ is not an object"),
                Arguments.of("{\"__metadata__\":{\"a\":1}}", "not a string"),
                Arguments.of("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", "twice"),
                Arguments.of(
                        "{" + entry("t", "F32", "[2]", "[0,8]") + "," + entry("t", "F32", "[2]", "[0,8]") + "}",
                        "twice"),
                Arguments.of(
                        "{" + entry("t", "F32", "[2]", "[0,8]") + "," + entry("\\u0074", "F32", "[2]", "[0,8]") + "}",
                        "twice"),
                Arguments.of(
                        "{\"t\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", "twice"),
                Arguments.of("{\"t\":{\"dtype\":\"F32\",\"shape\":[2]}}", "\"t\" lacks"),
                Arguments.of("{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", "\"t\" lacks"),
                Arguments.of(
                        "{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1}}",
                        "unknown key \"x\""),
                Arguments.of("{\"t\":{\"dtype\":4,\"shape\":[2],\"data_offsets\":[0,8]}}", "not a string"),
                Arguments.of(one("F31", "[2]", "[0,8]"), "unknown type \"F31\""),
                Arguments.of(one("F32", "[2.0]", "[0,8]"), "not an integer"),
                Arguments.of(one("F32", "[\"2\"]", "[0,8]"), "not an integer"),
                Arguments.of(one("F32", "2", "[0,8]"), "not an array"),
                Arguments.of(one("F32", "[3]", "[0,8]"), "needs 12 bytes"),
                Arguments.of(one("BF16", "[2]", "[0,8]"), "needs 4 bytes"),
                Arguments.of(one("F32", "[-2]", "[0,8]"), "zero or negative"),
                Arguments.of(one("F32", "[-2,-1]", "[0,8]"), "zero or negative"),
                Arguments.of(one("F32", "[0]", "[0,0]"), "zero or negative"),
                Arguments.of(one("F32", "[4294967296,4294967296]", "[0,8]"), "exceeds 64 bits"),
                Arguments.of(one("F32", "[9223372036854775807]", "[0,8]"), "exceeds 64 bits"),
                Arguments.of(one("F32", "[9223372036854775808]", "[0,8]"), "not valid JSON"),
                Arguments.of(one("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]"), "more than 8"),
                Arguments.of(one("F32", "[2]", "[0,4,8]"), "more than 2"),
                Arguments.of(one("F32", "[2]", "[-8,0]"), "negative or reversed"),
                Arguments.of(one("F32", "[2]", "[8,0]"), "negative or reversed"),
                Arguments.of(one("F32", "[2]", "[4,12]"), "gap"),
                Arguments.of(one("F32", "[4]", "[0,16]"), "ends at byte 16"),
                Arguments.of(one("F32", "[1]", "[0,4]"), "file holds 8"),
                Arguments.of("{}", "file holds 8"),
                Arguments.of(
                        "{" + entry("t", "F32", "[2]", "[0,8]") + "," + entry("u", "F32", "[1]", "[4,8]") + "}",
                        "overlaps"),
                Arguments.of(
                        "{" + entry("t", "F32", "[1]", "[0,4]") + "," + entry("u", "U8", "[3]", "[5,8]") + "}", "gap"));
    }

    @ParameterizedTest(name = "{1}")
    @MethodSource("headers")
    void headerThatIsNotExactlyRightIsRefused(String header, String reason) {
        assertRefused(ModelFixtures.safetensors(header, 8), reason);
    }

    @Test
    void invalidUtf8IsRefused() {
        for (byte[] broken :
                new byte[][] {{(byte) 0xff}, {(byte) 0xc0, (byte) 0x80}, {(byte) 0xed, (byte) 0xa0, (byte) 0x80}}) {
            byte[] header = "{\"__metadata__\":{\"k\":\"????\"}}".getBytes(StandardCharsets.UTF_8);
            System.arraycopy(broken, 0, header, 22, broken.length);
            assertRefused(ModelFixtures.safetensors(header.length, header, new byte[0]), "UTF-8");
        }
    }

    @Test
    void headerInAnotherEncodingIsRefused() {
        byte[] header = "{\"a\":1}".getBytes(StandardCharsets.UTF_16LE);
        assertRefused(ModelFixtures.safetensors(header.length, header, new byte[0]), "not valid JSON");
    }

    @Test
    void tensorNameCannotSpeakToTheTerminal() {
        String name = "a\\u001b[2J\\n" + "x".repeat(500);
        assertThatThrownBy(() -> of(ModelFixtures.safetensors("{" + entry(name, "F32", "[3]", "[0,8]") + "}", 8)))
                .hasMessageContaining("\\u001b[2J\\u000a")
                .message()
                .hasSizeLessThan(400);
    }

    private static String one(String type, String shape, String offsets) {
        return "{" + entry("t", type, shape, offsets) + "}";
    }

    private static String entry(String name, String type, String shape, String offsets) {
        return "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
    }

    private static Tensor tensor(SafetensorsFile file, String name) {
        return Objects.requireNonNull(file.tensors().get(name), name);
    }

    private static SafetensorsFile of(byte[] bytes) {
        return SafetensorsFile.of("x.safetensors", MemorySegment.ofArray(bytes));
    }

    private static void assertRefused(byte[] file, String reason) {
        assertThatThrownBy(() -> of(file))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith("x.safetensors")
                .hasMessageContaining(reason);
    }
}
