package dev.sluice.offload.disk;

import java.nio.file.Path;

/**
 * Where the disk tier keeps its chunks, and how much it may keep and do at once.
 *
 * @param directory for the tier alone; made if it is not there
 * @param maxBytes sum of the sizes of all chunk files, of other fingerprints too
 * @param writesMax writes waiting or running; one more is not taken
 * @param readsMax reads waiting or running; one more is not taken
 * @param readThreads how many reads run beside each other
 */
public record DiskSettings(Path directory, long maxBytes, int writesMax, int readsMax, int readThreads) {

    public DiskSettings {
        atLeastOne("byte budget", maxBytes);
        atLeastOne("number of open writes", writesMax);
        atLeastOne("number of open reads", readsMax);
        atLeastOne("number of read threads", readThreads);
    }

    /** Enough open work to keep one disk busy, and little enough that what waits is still wanted. */
    public static DiskSettings of(Path directory, long maxBytes) {
        return new DiskSettings(directory, maxBytes, 32, 32, 2);
    }

    private static void atLeastOne(String what, long value) {
        if (value < 1) {
            throw new IllegalArgumentException("the " + what + " of the disk tier must be at least 1, is " + value);
        }
    }
}
