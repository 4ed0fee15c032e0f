package dev.sluice.admission;

/** Decides at once whether a request may wait inside. Bounds requests and the prompt tokens that wait with them. */
public interface AdmissionControl {

    /**
     * Asks for room for one request; never blocks.
     *
     * @param sequences number of sequences the call will submit, at least 1
     * @param promptTokens sum over those sequences
     */
    Decision tryAdmit(int sequences, int promptTokens);
}
