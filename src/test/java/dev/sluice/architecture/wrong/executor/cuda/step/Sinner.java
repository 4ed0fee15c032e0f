package dev.sluice.architecture.wrong.executor.cuda.step;

import dev.sluice.architecture.wrong.executor.cuda.copies.Sinner2;

/** A step knows the copies beside it, and the driver in a circle. */
public class Sinner {
    public int use() {
        return new Sinner2().hashCode() + new dev.sluice.architecture.wrong.executor.cuda.driver.Sinner().hashCode();
    }
}
