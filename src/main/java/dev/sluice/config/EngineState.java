package dev.sluice.config;

import dev.sluice.api.EngineStatus;

/** What the engine is doing, as the starter and the loop report it. */
final class EngineState implements EngineStatus {

    private final LoadProgress download;
    private volatile Stage stage = Stage.LOADING;

    EngineState(LoadProgress download) {
        this.download = download;
    }

    @Override
    public Stage stage() {
        return stage;
    }

    /** Dead is for ever. */
    synchronized void enter(Stage next) {
        if (stage != Stage.DEAD) {
            stage = next;
        }
    }

    @Override
    public double progress() {
        return switch (stage) {
            case LOADING -> 0.9 * download.share();
            case WARMING_UP -> 0.9;
            case READY, DRAINING -> 1;
            case DEAD -> 0;
        };
    }
}
