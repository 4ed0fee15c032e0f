package dev.sluice.config;

import org.springframework.util.unit.DataSize;

/**
 * How much of the heap answers in progress may take.
 *
 * @param perCall bytes for one of them
 * @param total bytes for all of them
 */
record AnswerMemory(long perCall, long total) {

    private static final long LEAST = 1 << 20;
    private static final long MOST_PER_CALL = 1 << 30; // the bytes of an answer are one array

    /**
     * As set, or a quarter of the heap, and an eighth of that for one.
     *
     * @throws IllegalSettingException if an answer may take too little or more than all of them
     */
    static AnswerMemory of(SluiceProperties properties) {
        return of(properties, Runtime.getRuntime().maxMemory());
    }

    static AnswerMemory of(SluiceProperties properties, long heap) {
        long total = either(
                "sluice.admission.max-answer-memory",
                properties.admission().maxAnswerMemory(),
                Math.max(LEAST, heap / 4));
        long perCall = either(
                "sluice.api.max-answer-memory",
                properties.api().maxAnswerMemory(),
                Math.clamp(total / 8, LEAST, MOST_PER_CALL));
        if (perCall > total || perCall > MOST_PER_CALL) {
            throw new IllegalSettingException("sluice.api.max-answer-memory is " + perCall
                    + " bytes, more than sluice.admission.max-answer-memory, which is " + total + ", or than 1GB");
        }
        return new AnswerMemory(perCall, total);
    }

    private static long either(String setting, DataSize set, long otherwise) {
        if (set.toBytes() != 0 && set.toBytes() < LEAST) {
            throw new IllegalSettingException(setting + " is " + set + ", but must be 0 or at least 1MB");
        }
        return set.toBytes() == 0 ? otherwise : set.toBytes();
    }
}
