package dev.sluice.model.hub;

/** Is told how a download gets on; called by the downloading thread, often, so it must be quick. */
@FunctionalInterface
public interface DownloadProgress {

    /** Listens to nothing. */
    DownloadProgress NONE = (file, fileBytes, fileBytesTotal, modelBytes, modelBytesTotal) -> {};

    /**
     * Some bytes arrived, a file begins, or a file is complete ({@code fileBytes == fileBytesTotal}).
     *
     * @param fileBytes bytes of the file that are on disk, those of earlier attempts included
     * @param modelBytes the same for all files of the model together
     */
    void advanced(String file, long fileBytes, long fileBytesTotal, long modelBytes, long modelBytesTotal);
}
