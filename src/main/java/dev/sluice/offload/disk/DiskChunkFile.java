package dev.sluice.offload.disk;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.HostPages;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.GatheringByteChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * How a chunk looks as a file: a header that says whose it is and what it must add up to, then its pages.
 *
 * <pre>
 *   magic 8 | layout 4 | pages n 4 | page bytes 8 | fingerprint 32 | chunk key 32
 *   n x (page key 32 | CRC-32C of the page 4) | CRC-32C of all before 4
 *   n x page
 * </pre>
 *
 * All numbers little-endian. The reader knows everything but the checksums before it opens the file, so it compares and
 * never believes: no number of a file is used as a size. The fingerprint covers page size and chunk size too.
 */
final class DiskChunkFile {

    private static final long MAGIC = 0x31564b4543554c53L; // "SLUCEKV1"
    private static final int LAYOUT = 1;
    private static final int FIXED_BYTES = 8 + 4 + 4 + 8 + 32 + 32 + 4;
    private static final int BYTES_PER_PAGE = 32 + 4;
    private static final int NAME_FINGERPRINT_BYTES = 8;
    private static final HexFormat HEX = HexFormat.of();

    /** The end of every chunk's name. */
    static final String SUFFIX = ".kvchunk";

    private final byte[] fingerprint;
    private final String namePrefix;
    private final long pageBytes;
    private final int pagesMax;

    /** @param fingerprint everything that makes two servers' chunks the same; equal strings share files */
    DiskChunkFile(String fingerprint, long pageBytes, int pagesMax) {
        this.pageBytes = pageBytes;
        this.pagesMax = pagesMax;
        this.fingerprint = sha256("layout " + LAYOUT + " page " + pageBytes + " chunk " + pagesMax + " " + fingerprint);
        namePrefix = HEX.formatHex(this.fingerprint, 0, NAME_FINGERPRINT_BYTES) + "-";
    }

    private static byte[] sha256(String text) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("SHA-256 is part of every JDK", e);
        }
    }

    /** The name of a chunk's file: fingerprint and key in hex. */
    String name(BlockHash key) {
        ByteBuffer bytes = ByteBuffer.allocate(32);
        put(bytes, key);
        return namePrefix + HEX.formatHex(bytes.array()) + SUFFIX;
    }

    /** True if the name is one that {@link #name} gives under some fingerprint. */
    static boolean isChunkName(String name) {
        int prefix = 2 * NAME_FINGERPRINT_BYTES;
        return name.length() == prefix + 1 + 64 + SUFFIX.length()
                && isHex(name, 0, prefix)
                && name.charAt(prefix) == '-'
                && isHex(name, prefix + 1, prefix + 1 + 64)
                && name.endsWith(SUFFIX);
    }

    private static boolean isHex(String text, int from, int to) {
        for (int i = from; i < to; i++) {
            char c = text.charAt(i);
            if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
                return false;
            }
        }
        return true;
    }

    /** The key in a chunk's name; null if it is of another fingerprint. */
    @Nullable
    BlockHash key(String chunkName) {
        if (!chunkName.startsWith(namePrefix)) {
            return null;
        }
        int from = namePrefix.length();
        ByteBuffer bytes = ByteBuffer.wrap(HEX.parseHex(chunkName, from, from + 64));
        return new BlockHash(bytes.getLong(), bytes.getLong(), bytes.getLong(), bytes.getLong());
    }

    /** Size of the file of a chunk of so many pages. */
    long fileBytes(int pages) {
        return Math.addExact(headerBytes(pages), Math.multiplyExact(pages, pageBytes));
    }

    private static int headerBytes(int pages) {
        return Math.addExact(FIXED_BYTES, Math.multiplyExact(pages, BYTES_PER_PAGE));
    }

    /** True if a whole chunk can have this size. */
    boolean isPossibleSize(long bytes) {
        long perPage = pageBytes + BYTES_PER_PAGE;
        long pages = (bytes - FIXED_BYTES) / perPage;
        return pages >= 1 && pages <= pagesMax && bytes == FIXED_BYTES + pages * perPage;
    }

    /** True if a chunk of this shape can be kept at all. */
    boolean isPossibleChunk(int pageKeys, int pages) {
        return pageKeys == pages && pages >= 1 && pages <= pagesMax;
    }

    /**
     * Writes a chunk whose pages still hold what their checksums say.
     *
     * @throws IOException also if a page is not
     */
    void write(GatheringByteChannel out, BlockHash key, BlockHash[] pageKeys, HostPages from, int[] pages)
            throws IOException {
        ByteBuffer header = ByteBuffer.allocate(headerBytes(pages.length)).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer[] parts = new ByteBuffer[1 + pages.length];
        parts[0] = header;
        putFixed(header, key, pages.length);
        for (int i = 0; i < pages.length; i++) {
            if (!from.verify(pages[i], pageKeys[i])) {
                throw new IOException("a page does not hold what its checksum says");
            }
            ByteBuffer page = from.page(pages[i]).asByteBuffer();
            put(header, pageKeys[i]);
            header.putInt(checksum(page.duplicate()));
            parts[1 + i] = page;
        }
        header.putInt(checksum(header.duplicate().flip()));
        header.flip();
        long left = fileBytes(pages.length);
        while (left > 0) {
            left -= out.write(parts);
        }
    }

    /**
     * Reads a chunk into pages and labels them with their checksums; touches no page before the header is right, and
     * labels none before all are.
     *
     * @throws IOException if the file is not exactly the chunk that was asked for
     */
    void read(SeekableByteChannel in, BlockHash key, BlockHash[] pageKeys, HostPages to, int[] pages)
            throws IOException {
        if (in.size() != fileBytes(pages.length)) {
            throw new IOException("its size is wrong");
        }
        int[] checksums = readHeader(in, key, pageKeys);
        for (int i = 0; i < pages.length; i++) {
            MemorySegment page = to.page(pages[i]);
            fill(in, page.asByteBuffer());
            if (checksum(page.asByteBuffer()) != checksums[i]) {
                throw new IOException("the checksum of a page is wrong");
            }
        }
        for (int i = 0; i < pages.length; i++) {
            to.writeChecksum(pages[i], pageKeys[i]);
        }
    }

    private int[] readHeader(SeekableByteChannel in, BlockHash key, BlockHash[] pageKeys) throws IOException {
        int pages = pageKeys.length;
        ByteBuffer header = ByteBuffer.allocate(headerBytes(pages)).order(ByteOrder.LITTLE_ENDIAN);
        fill(in, header);
        header.flip();
        int body = header.limit() - Integer.BYTES;
        if (checksum(header.duplicate().limit(body)) != header.getInt(body)) {
            throw new IOException("the checksum of its header is wrong");
        }
        ByteBuffer expected = ByteBuffer.allocate(header.limit()).order(ByteOrder.LITTLE_ENDIAN);
        putFixed(expected, key, pages);
        int[] checksums = new int[pages];
        for (int i = 0; i < pages; i++) {
            put(expected, pageKeys[i]);
            checksums[i] = header.getInt(expected.position());
            expected.putInt(checksums[i]);
        }
        if (!expected.flip().equals(header.limit(body))) {
            throw new IOException("it is another chunk");
        }
        return checksums;
    }

    private void putFixed(ByteBuffer header, BlockHash key, int pages) {
        header.putLong(MAGIC).putInt(LAYOUT).putInt(pages).putLong(pageBytes).put(fingerprint);
        put(header, key);
    }

    private static void put(ByteBuffer to, BlockHash key) {
        to.putLong(key.a()).putLong(key.b()).putLong(key.c()).putLong(key.d());
    }

    private static void fill(SeekableByteChannel in, ByteBuffer to) throws IOException {
        while (to.hasRemaining()) {
            if (in.read(to) < 0) {
                throw new IOException("it ends too early");
            }
        }
    }

    private static int checksum(ByteBuffer bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return (int) crc.getValue();
    }
}
