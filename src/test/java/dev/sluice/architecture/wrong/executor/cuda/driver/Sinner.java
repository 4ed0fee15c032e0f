package dev.sluice.architecture.wrong.executor.cuda.driver;

/** The driver knows what is built on it, in a circle. */
public class Sinner {
    public int use() {
        return new dev.sluice.architecture.wrong.executor.cuda.step.Sinner().hashCode();
    }
}
