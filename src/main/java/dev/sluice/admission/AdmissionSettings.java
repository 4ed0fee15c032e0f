package dev.sluice.admission;

/**
 * How much may be inside at once.
 *
 * @param sequencesMax sequences running or waiting
 * @param waitingTokensMax prompt tokens of sequences that have no first token yet
 * @param answerBytesMax memory of the answers of those inside
 */
public record AdmissionSettings(int sequencesMax, long waitingTokensMax, long answerBytesMax) {

    /** @throws IllegalArgumentException naming the bound that admits nothing */
    public AdmissionSettings {
        if (sequencesMax < 1) {
            throw new IllegalArgumentException("sequences must be at least 1, was " + sequencesMax);
        }
        if (waitingTokensMax < 1) {
            throw new IllegalArgumentException("waiting tokens must be at least 1, was " + waitingTokensMax);
        }
        if (answerBytesMax < 1) {
            throw new IllegalArgumentException("bytes of answers must be at least 1, was " + answerBytesMax);
        }
    }
}
