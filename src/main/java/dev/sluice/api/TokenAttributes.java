package dev.sluice.api;

import dev.sluice.api.wire.Usage;
import io.micrometer.common.KeyValue;
import io.micrometer.observation.Observation;
import java.util.Map;
import org.springframework.http.server.reactive.observation.ServerRequestObservationContext;

/**
 * Writes the token counts of an answer on the observation of its HTTP request, so that a trace shows what it cost and
 * where its prompt came from. The names are OpenTelemetry's where it has them. Metrics ignore values of such cardinality.
 */
final class TokenAttributes {

    private TokenAttributes() {}

    /** @param exchange attributes of the HTTP exchange; without an observation nothing happens */
    static void write(Map<String, Object> exchange, Usage usage) {
        ServerRequestObservationContext.findCurrent(exchange).ifPresent(context -> {
            add(context, "gen_ai.usage.input_tokens", usage.promptTokens());
            add(context, "gen_ai.usage.output_tokens", usage.completionTokens());
            Usage.PromptTokensDetails prompt = usage.promptTokensDetails();
            add(context, "sluice.prompt.computed_tokens", usage.promptTokens() - prompt.cachedTokens());
            prompt.cachedTokensDetails()
                    .forEach((tier, tokens) -> add(context, "sluice.prompt." + tier + "_tokens", tokens));
        });
    }

    private static void add(Observation.Context context, String name, int tokens) {
        context.addHighCardinalityKeyValue(KeyValue.of(name, Integer.toString(tokens)));
    }
}
