package dev.sluice.executor.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.junit.platform.console.ConsoleLauncher;

/**
 * The tests of the kernels at every vector width that this machine has. A JVM has one width for its life, so each width but
 * the machine's own gets a JVM.
 */
class VectorWidthsTest {

    private static final String EXPECTED = "vector.bits";

    /** Guards the test below: a width that was not taken would prove nothing. */
    @Test
    void theKernelsUseTheWidthThatTheJvmWasGiven() {
        int bits = Lanes.FLOATS.vectorBitSize();
        assertThat(bits).isEqualTo(Integer.getInteger(EXPECTED, bits));
    }

    @ParameterizedTest
    @ValueSource(ints = {128, 256})
    void theKernelsTestsPassAt(int bits) throws IOException, InterruptedException {
        assumeTrue(
                bits < Lanes.FLOATS.vectorBitSize() && System.getProperty(EXPECTED) == null,
                bits + " bits are this JVM's own width, or more than this machine has");
        Process tests = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--add-modules=jdk.incubator.vector",
                        "--enable-native-access=ALL-UNNAMED",
                        "-Xmx1g",
                        "-XX:MaxVectorSize=" + bits / Byte.SIZE,
                        "-D" + EXPECTED + "=" + bits,
                        "-cp",
                        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                        ConsoleLauncher.class.getName(),
                        "execute",
                        "--disable-banner",
                        "--details=summary",
                        "--fail-if-no-tests",
                        "--select-method=" + VectorWidthsTest.class.getName()
                                + "#theKernelsUseTheWidthThatTheJvmWasGiven",
                        "--select-class=" + TensorOpsTest.class.getName(),
                        "--select-method=" + BatchInvarianceTest.class.getName() + "#scalarsGiveTheBitsOfVectors")
                .redirectErrorStream(true)
                .start();
        String output = new String(tests.getInputStream().readAllBytes());
        assertThat(tests.waitFor(1, TimeUnit.MINUTES)).isTrue();
        assertThat(tests.exitValue()).as(output).isZero();
    }
}
