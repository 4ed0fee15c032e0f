package dev.sluice.api;

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

    /** Share of the loading that is done, 0 to 1. */
    double progress();
}
