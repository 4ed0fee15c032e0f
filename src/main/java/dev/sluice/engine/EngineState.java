package dev.sluice.engine;

import java.util.function.DoubleSupplier;
import org.jspecify.annotations.Nullable;

/** What the engine is doing, as the starter and the loop report it. */
public final class EngineState implements EngineStatus {

    private final DoubleSupplier download;
    private volatile @Nullable Watchdog watchdog;
    private volatile Stage stage = Stage.LOADING;

    /** @param download share of the model that is there, 0 to 1 */
    public EngineState(DoubleSupplier download) {
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

    /** From now on the engine turns, and is watched. */
    void watch(Watchdog newWatchdog) {
        watchdog = newWatchdog;
    }

    @Override
    public boolean isReady() {
        Watchdog current = watchdog;
        return stage == Stage.READY && current != null && current.isHealthy();
    }

    /** True unless the engine is dead or hangs: only a new process can help. */
    public boolean isAlive() {
        Watchdog current = watchdog;
        return stage != Stage.DEAD && (current == null || !current.isStuck());
    }

    @Override
    public double progress() {
        return switch (stage) {
            case LOADING -> 0.9 * download.getAsDouble();
            case WARMING_UP -> 0.9;
            case READY, DRAINING -> 1;
            case DEAD -> 0;
        };
    }
}
