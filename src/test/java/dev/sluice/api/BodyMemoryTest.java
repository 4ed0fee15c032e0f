package dev.sluice.api;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class BodyMemoryTest {

    private final BodyMemory memory = new BodyMemory(100);

    @Test
    void noCallerHasMoreThanHalf() {
        BodyMemory.Share first = memory.share("a");
        BodyMemory.Share second = memory.share("a");
        assertThat(first.take(30)).isTrue();
        assertThat(second.take(21)).isFalse();
        assertThat(second.take(20)).isTrue();
        assertThat(memory.share("b").take(50)).isTrue();
        assertThat(memory.share("c").take(1)).isFalse();
        assertThat(memory.bytes()).isEqualTo(100);
        first.close();
        assertThat(memory.share("c").take(30)).isTrue();
    }

    @Test
    void whatIsClosedIsGivenBackOnceAndTakesNothing() {
        BodyMemory.Share share = memory.share("a");
        assertThat(share.take(50)).isTrue();
        share.close();
        share.close();
        assertThat(memory.bytes()).isZero();
        assertThat(share.take(10)).isTrue(); // its call is over and forgets what still arrives
        assertThat(memory.bytes()).isZero();
        assertThat(memory.share("a").take(50)).isTrue();
    }
}
