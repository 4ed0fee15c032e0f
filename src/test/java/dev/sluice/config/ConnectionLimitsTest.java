package dev.sluice.config;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The automatic limits leave descriptors to the other port and to files. */
class ConnectionLimitsTest {

    @ParameterizedTest
    @CsvSource({"100, 75, 12", "900, 675, 112", "19900, 14925, 256", "1000000, 16384, 256", "8, 6, 1", "0, 1, 1"})
    void bothPortsTogetherLeaveAnEighth(long free, int api, int management) {
        assertThat(ConnectionLimits.apiMax(free)).isEqualTo(api);
        assertThat(ConnectionLimits.managementMax(free)).isEqualTo(management);
        assertThat(free < 8 || api + management <= free).isTrue();
    }
}
