package dev.sluice.model.hub;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.HexFormat;

/**
 * One file on its way into a directory.
 *
 * <p>Bytes gather in {@code <name>.part}; what an earlier attempt left there is kept and continued. The directory
 * belongs to one commit, and the checksum of the whole decides at the end, so a part can be stale or torn without
 * harm. Only a file whose checksum is right gets its name, in one atomic step.
 */
final class FileDownload {

    /** Is told how many bytes of the file are on disk. */
    interface Progress {
        void advanced(long fileBytes);
    }

    private static final int BUFFER_BYTES = 1 << 17;

    private final HubTransport transport;
    private final String url;
    private final HubFile file;
    private final Path target;
    private final Path part;
    private final Progress progress;

    FileDownload(HubTransport transport, String url, HubFile file, Path directory, Progress progress) {
        this.transport = transport;
        this.url = url;
        this.file = file;
        this.target = directory.resolve(file.name());
        this.part = directory.resolve(file.name() + ".part");
        this.progress = progress;
    }

    /** Makes the file complete; to be called again after an {@link IOException}. */
    void run() throws IOException {
        if (isComplete()) {
            progress.advanced(file.size());
            return;
        }
        long kept = Files.exists(part) ? Files.size(part) : 0;
        if (kept > file.size()) {
            Files.delete(part);
            kept = 0;
        }
        MessageDigest digest = file.checksum().start(file.size());
        hashPart(digest);
        progress.advanced(kept);
        if (kept < file.size() || file.size() == 0) {
            digest = receive(kept, digest);
        }
        if (!HexFormat.of().formatHex(digest.digest()).equals(file.checksum().hex())) {
            Files.delete(part);
            if (kept > 0) {
                throw new IOException("The continued download of " + file.name() + " does not fit together.");
            }
            throw new HubException("The downloaded file " + file.name() + " has a wrong checksum and was deleted.");
        }
        Files.move(part, target, StandardCopyOption.ATOMIC_MOVE);
    }

    /** A file has its name only after its checksum was right. */
    private boolean isComplete() throws IOException {
        return Files.exists(target) && Files.size(target) == file.size();
    }

    /** Returns the digest over the part's bytes, which starts over if the server sends the file from its beginning. */
    private MessageDigest receive(long kept, MessageDigest digest) throws IOException {
        try (HubTransport.Answer answer = transport.get(url, kept)) {
            boolean continued = answer.status() == 206 && isRange(answer, kept);
            MessageDigest running = continued ? digest : file.checksum().start(file.size());
            long have = continued ? kept : 0;
            try (FileChannel out = FileChannel.open(
                    part,
                    StandardOpenOption.CREATE,
                    continued ? StandardOpenOption.APPEND : StandardOpenOption.TRUNCATE_EXISTING,
                    StandardOpenOption.WRITE)) {
                copy(answer.body(), out, running, have);
                out.force(false); // the name must not outlive a power cut that the bytes do not
            }
            return running;
        }
    }

    private boolean isRange(HubTransport.Answer answer, long from) throws IOException {
        String range = answer.headers().firstValue("Content-Range").orElse("");
        if (range.equals("bytes " + from + "-" + (file.size() - 1) + "/" + file.size())) {
            return true;
        }
        Files.delete(part);
        throw new IOException("The hub continues " + file.name() + " at another place than asked.");
    }

    private void copy(InputStream in, FileChannel out, MessageDigest digest, long have) throws IOException {
        byte[] buffer = new byte[BUFFER_BYTES];
        long total = have;
        for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
            if (count > file.size() - total) {
                throw new HubException("The hub sends more of " + file.name() + " than its " + file.size() + " bytes.");
            }
            for (ByteBuffer bytes = ByteBuffer.wrap(buffer, 0, count); bytes.hasRemaining(); ) {
                out.write(bytes);
            }
            digest.update(buffer, 0, count);
            total += count;
            progress.advanced(total);
        }
        if (total < file.size()) {
            throw new IOException("The transfer of " + file.name() + " ended early.");
        }
    }

    private void hashPart(MessageDigest digest) throws IOException {
        if (!Files.exists(part)) {
            return;
        }
        byte[] buffer = new byte[BUFFER_BYTES];
        try (InputStream in = Files.newInputStream(part)) {
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                digest.update(buffer, 0, count);
            }
        }
    }
}
