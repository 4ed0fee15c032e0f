package dev.sluice.executor.cuda.step;

/**
 * Where the numbers of a pass lie in the one buffer that is uploaded for it, in ints. Rows of decoding sequences, of one
 * position each, come before those of prefills. It depends on sizes alone, so a recorded graph finds everything again.
 *
 * <pre>
 *   ids, positions, slots    [rows]              token, position, place of its key (block * blockSize + offset)
 *   lengths                  [decodes]           keys of a decoding row, its own included; 0: an unused row
 *   tables                   [decodes, width]    its blocks
 *   starts                   [prefills + 1]      first row of each prefill
 *   prefillLengths           [prefills]          positions up to and with its last row
 *   prefillTables            [prefills, width]   its blocks
 *   sampledRows              [samples]           rows whose logits are wanted
 * </pre>
 */
public record PassLayout(int rows, int decodes, int prefills, int width, int samples) {

    /** The largest that a pass can need. */
    static PassLayout largest(PassLimits limits) {
        // A line is either a decode or a prefill; a prefill takes one number more, and there is one start more.
        return new PassLayout(limits.rows(), 0, limits.lines(), limits.width(), limits.lines());
    }

    int ids() {
        return 0;
    }

    int positions() {
        return rows;
    }

    int slots() {
        return 2 * rows;
    }

    int lengths() {
        return 3 * rows;
    }

    int tables() {
        return lengths() + decodes;
    }

    int starts() {
        return tables() + decodes * width;
    }

    int prefillLengths() {
        return starts() + prefills + 1;
    }

    int prefillTables() {
        return prefillLengths() + prefills;
    }

    int sampledRows() {
        return prefillTables() + prefills * width;
    }

    long bytes() {
        return (long) Integer.BYTES * (sampledRows() + samples);
    }
}
