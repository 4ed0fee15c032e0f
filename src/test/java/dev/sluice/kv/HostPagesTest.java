package dev.sluice.kv;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The seal of a page, and what a copy job says of itself. */
class HostPagesTest {

    private static final BlockHash KEY = new BlockHash(1, 2, 3, 4);

    private final MemorySegment memory = MemorySegment.ofArray(new byte[48]);
    private final HostPages pages = new HostPages(memory, 16);

    @Test
    void pagesLieOneBehindTheOther() {
        assertThat(pages.count()).isEqualTo(3);
        assertThat(pages.pageBytes()).isEqualTo(16);
        pages.page(2).set(ValueLayout.JAVA_BYTE, 1, (byte) 9);
        assertThat(memory.get(ValueLayout.JAVA_BYTE, 33)).isEqualTo((byte) 9);
        assertThat(pages.page(2).byteSize()).isEqualTo(16);
    }

    @Test
    void aPageIsWhatWasSealedUnderItsKeyAndNothingElse() {
        assertThat(pages.verify(1, KEY)).as("never sealed").isFalse();
        pages.page(1).set(ValueLayout.JAVA_BYTE, 5, (byte) 7);
        pages.writeChecksum(1, KEY);
        assertThat(pages.verify(1, KEY)).isTrue();
        assertThat(pages.verify(1, new BlockHash(1, 2, 3, 5))).as("another key").isFalse();
        assertThat(pages.verify(0, KEY)).as("another page").isFalse();
        for (long bit = 0; bit < 8 * pages.pageBytes(); bit++) {
            byte was = pages.page(1).get(ValueLayout.JAVA_BYTE, bit / 8);
            pages.page(1).set(ValueLayout.JAVA_BYTE, bit / 8, (byte) (was ^ 1 << bit % 8));
            assertThat(pages.verify(1, KEY)).as("bit %d flipped", bit).isFalse();
            pages.page(1).set(ValueLayout.JAVA_BYTE, bit / 8, was);
        }
        assertThat(pages.verify(1, KEY)).isTrue();
    }

    @Test
    void aPlanIsEmptyIfNothingIsCopiedAndNothingAwaited() {
        BlockTransfer copy = new BlockTransfer(1, new int[] {1}, new int[] {0}, new BlockHash[] {KEY}, false);
        assertThat(TransferPlan.NONE.isEmpty()).isTrue();
        assertThat(new TransferPlan(new long[] {1}, List.of(), List.of()).isEmpty())
                .isFalse();
        assertThat(new TransferPlan(new long[0], List.of(copy), List.of()).isEmpty())
                .isFalse();
        assertThat(new TransferPlan(new long[0], List.of(), List.of(copy)).isEmpty())
                .isFalse();
    }

    @Test
    void aCopyHasSucceededIfNoneOfItsBlocksFailed() {
        assertThat(new FinishedTransfer(1, new int[0], 5).succeeded()).isTrue();
        assertThat(new FinishedTransfer(1, new int[] {0}, 5).succeeded()).isFalse();
    }
}
