package dev.sluice.model;

import dev.sluice.model.RopeSpec.Llama3Scaling;

/** Reads the rotary embedding in both spellings: {@code rope_theta} with {@code rope_scaling}, or {@code rope_parameters}. */
final class RopeReader {

    private static final double THETA_DEFAULT = 10_000;
    private static final double THETA_MAX = 1e15;
    private static final double FACTOR_MAX = 1e6;

    private RopeReader() {}

    static RopeSpec read(ConfigSection config, int contextLength) {
        refusePartial(config);
        double theta = config.number("rope_theta", 1, THETA_MAX, THETA_DEFAULT);
        ConfigSection parameters = config.section("rope_parameters");
        if (parameters != null) {
            refusePartial(parameters);
            theta = parameters.number("rope_theta", 1, THETA_MAX, theta);
        } else {
            parameters = config.section("rope_scaling");
        }
        if (parameters == null) {
            return new RopeSpec(theta, null);
        }
        String key = parameters.has("rope_type") || !parameters.has("type") ? "rope_type" : "type";
        String type = parameters.text(key);
        if (type != null && type.equals("default")) {
            return new RopeSpec(theta, null);
        }
        if (type == null || !type.equals("llama3")) {
            throw parameters.fault(
                    key,
                    (type == null ? "is missing" : "is " + Echo.of(type)) + ", but only default and llama3 are served");
        }
        return new RopeSpec(theta, llama3(parameters, contextLength));
    }

    private static Llama3Scaling llama3(ConfigSection parameters, int contextLength) {
        double low = parameters.number("low_freq_factor", 1e-6, FACTOR_MAX);
        double high = parameters.number("high_freq_factor", 1e-6, FACTOR_MAX);
        if (high <= low) {
            throw parameters.fault("high_freq_factor", "is " + high + ", but must be above low_freq_factor " + low);
        }
        return new Llama3Scaling(
                parameters.number("factor", 1, FACTOR_MAX),
                low,
                high,
                parameters.integer("original_max_position_embeddings", 1, contextLength));
    }

    private static void refusePartial(ConfigSection section) {
        if (section.number("partial_rotary_factor", 0, 1, 1) != 1) {
            throw section.fault("partial_rotary_factor", "is below 1, but only whole heads are rotated");
        }
    }
}
