package dev.sluice.model;

import tools.jackson.databind.JsonNode;

/** Finds out whether attention is limited to a window, and refuses models in which layers differ. */
final class SlidingWindowReader {

    private static final String WINDOW = "sliding_window";
    private static final int WINDOW_DEFAULT = 4_096; // what the families' own code assumes without the key

    private SlidingWindowReader() {}

    /**
     * The window in tokens, 0 for none.
     *
     * @param switched the family has a window only if {@code use_sliding_window} says so
     */
    static int read(ConfigSection config, boolean switched, int layers, int contextLength) {
        int window = 0;
        if (!switched || config.flag("use_sliding_window", false)) {
            // An explicit null means none.
            int otherwise = config.names().contains(WINDOW) ? 0 : WINDOW_DEFAULT;
            window = config.integer(WINDOW, 1, Integer.MAX_VALUE, otherwise);
        }
        JsonNode types = config.find("layer_types");
        if (types != null) {
            window = byLayerTypes(config, types, window);
        } else if (switched && window > 0) {
            window = byFirstLayer(config, layers, window);
        }
        return window >= contextLength ? 0 : window;
    }

    private static int byFirstLayer(ConfigSection config, int layers, int window) {
        int first = config.integer("max_window_layers", 0, Integer.MAX_VALUE);
        if (first > 0 && first < layers) {
            throw config.fault("max_window_layers", "limits the window to some layers, which cannot be served");
        }
        return first == 0 ? window : 0;
    }

    private static int byLayerTypes(ConfigSection config, JsonNode types, int window) {
        boolean sliding = false;
        boolean full = false;
        for (JsonNode type : types) {
            boolean slides = type.asString("").equals("sliding_attention");
            sliding |= slides;
            full |= !slides;
            if (!slides && !type.asString("").equals("full_attention")) {
                throw config.fault("layer_types", "names " + ConfigSection.show(type) + ", which cannot be served");
            }
        }
        if (sliding == full) {
            throw config.fault("layer_types", "differ between layers, which cannot be served");
        }
        if (sliding && window == 0) {
            throw config.fault("layer_types", "has sliding_attention, but there is no " + WINDOW);
        }
        return sliding ? window : 0;
    }
}
