package dev.sluice.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.request.TokenLogprobs;
import java.util.Collections;
import org.junit.jupiter.api.Test;

class AnswerSizeTest {

    private static final long MAX = 1 << 20;

    private static AnswerSize whole(int sequences, int logprobs) {
        return new AnswerSize(sequences, logprobs, false, 0, MAX);
    }

    @Test
    void theProductDecides() {
        whole(16, 20).check(6, "max_tokens", "logprobs"); // 16 * 6 * 21 = 2016 of 2048
        assertThatThrownBy(() -> whole(16, 20).check(7, "max_tokens", "logprobs"))
                .isInstanceOf(ApiException.class)
                .hasMessage("max_tokens (7) times 16 choices times 21 (logprobs + 1) may be at most 2048 in an answer"
                        + " that is not streamed, but is 2352");
        assertThat(whole(16, 20).tokensMax()).isEqualTo(6);
        assertThat(whole(16, -1).tokensMax()).isEqualTo(1024);
        assertThat(whole(4096, 20).tokensMax()).isZero();
    }

    @Test
    void theProductDoesNotOverflow() {
        assertThatThrownBy(() -> whole(4096, 20).check(Integer.MAX_VALUE, "max_tokens", "logprobs"))
                .hasMessageContaining("but is " + 4096L * Integer.MAX_VALUE * 21);
        assertThat(whole(4096, 20).atAdmission(Integer.MAX_VALUE, Integer.MAX_VALUE))
                .isEqualTo(4096L * Integer.MAX_VALUE * 21 * 512);
    }

    @Test
    void repeatedPromptsCount() {
        assertThat(new AnswerSize(1, -1, false, 100_000, MAX).tokensMax()).isEqualTo((int) ((MAX - 800_000) / 64));
        assertThatThrownBy(() -> new AnswerSize(1, -1, true, 200_000, MAX).check(1, "max_tokens", "logprobs"))
                .hasMessage("echo would repeat 200000 bytes, and may repeat at most 131072");
    }

    @Test
    void whatIsTakenAtAdmissionIsAllOfItOrASharePerChoiceIfNoLimitIsGiven() {
        assertThat(whole(2, -1).atAdmission(8000, 8000)).isEqualTo(2 * 8000 * 64);
        assertThat(whole(2, -1).atAdmission(8000, null)).isEqualTo(2 * 256 * 1024);
        assertThat(whole(2, -1).atAdmission(10, null)).isEqualTo(2 * 10 * 64);
        AnswerSize stream = new AnswerSize(2, 4, true, 0, MAX);
        assertThat(stream.tokensMax()).isEqualTo(Integer.MAX_VALUE);
        assertThat(stream.atAdmission(8000, 8000)).isEqualTo(2 * 256 * stream.event());
        assertThat(stream.atAdmission(10, null)).isEqualTo(2 * 10 * stream.event());
    }

    @Test
    void whatComesIsNeverMoreThanWhatWasExpectedOfOrdinaryText() {
        TokenLogprobs logprobs = new TokenLogprobs(-1, new int[20], new float[20]);
        ChoiceText.Piece piece =
                new ChoiceText.Piece("12345678", Collections.nCopies(1, new ChoiceText.Scored(1, logprobs)));
        assertThat(AnswerSize.of(piece)).isLessThanOrEqualTo(whole(1, 20).atAdmission(1, 1));
        assertThat(AnswerSize.of(new ChoiceText.Piece("12345678", Collections.emptyList())))
                .isEqualTo(whole(1, -1).atAdmission(1, 1));
    }
}
