package dev.sluice.request;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;

/** Tokens by tier: sums agree with their parts, whatever tiers there are. */
class TokensByTierTest {

    @Test
    void sumsAgreeWithTheirParts() {
        TokensByTier first = new TokensByTier(Map.of("device", 16, "host", 32));
        TokensByTier sum = first.plus(new TokensByTier(Map.of("host", 8, "remote", 4)));
        assertThat(sum).isEqualTo(new TokensByTier(Map.of("device", 16, "host", 40, "remote", 4)));
        assertThat(sum.total()).isEqualTo(60);
        assertThat(sum.of("storage")).isZero();
        assertThat(first.plus(TokensByTier.NONE)).isEqualTo(first);
        assertThat(TokensByTier.NONE.plus(first)).isEqualTo(first);
    }

    @Test
    void aTierWithoutTokensIsAsIfItWereNotThere() {
        assertThat(new TokensByTier(Map.of("host", 0))).isEqualTo(TokensByTier.NONE);
        assertThat(TokensByTier.of("host", 0)).isEqualTo(TokensByTier.NONE);
    }

    @Test
    void whatIsNoNumberOfTokensIsRefused() {
        assertThatThrownBy(() -> TokensByTier.of("host", -1)).isInstanceOf(IllegalArgumentException.class);
        TokensByTier most = TokensByTier.of("host", Integer.MAX_VALUE);
        assertThatThrownBy(() -> most.plus(TokensByTier.of("storage", 1)).total())
                .isInstanceOf(ArithmeticException.class);
    }

    @Test
    void aRecordDividesThePromptAmongTheTiers() {
        PrefillRecord record = new PrefillRecord(100, 16, new TokensByTier(Map.of("host", 32, "storage", 8)));
        assertThat(record.localTokens()).isEqualTo(16);
        assertThat(record.externalTokens()).isEqualTo(40);
        assertThat(record.cachedTokens()).isEqualTo(56);
        assertThat(record.computedTokens()).isEqualTo(44);
    }
}
