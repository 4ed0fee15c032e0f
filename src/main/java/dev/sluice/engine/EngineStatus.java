package dev.sluice.engine;

/** Whether the engine can serve, and if not, what it is doing. */
public interface EngineStatus {

    /** What the engine is doing. */
    enum Stage {
        LOADING,
        WARMING_UP,
        READY,
        DRAINING,
        DEAD
    }

    Stage stage();

    /** True if requests should be sent here: {@link Stage#READY}, and what runs, runs well. */
    boolean isReady();

    /** Share of the loading that is done, 0 to 1. */
    double progress();
}
