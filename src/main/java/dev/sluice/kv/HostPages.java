package dev.sluice.kv;

import java.lang.foreign.MemorySegment;
import java.util.zip.CRC32C;

/**
 * Host memory for blocks that do not fit on the device: pages of exactly one block each, with a label per page that says
 * whose contents it holds and what they add up to.
 *
 * <p>Allocated by the executor (page-locked when it is a GPU), shared out by the connector, filled and read by the
 * executor's copies. Whoever writes a page writes its checksum; whoever reads it back verifies that first, so that a page that was
 * damaged, mixed up or never finished is a failed load and never a wrong token. Pages are used by one thread at a time;
 * handing a page over is the caller's business.
 */
public final class HostPages {

    private final MemorySegment memory;
    private final long pageBytes;
    private final BlockHash[] keys;
    private final int[] checksums;

    /** @param memory a whole number of pages */
    public HostPages(MemorySegment memory, long pageBytes) {
        this.memory = memory;
        this.pageBytes = pageBytes;
        int count = Math.toIntExact(memory.byteSize() / pageBytes);
        keys = new BlockHash[count];
        checksums = new int[count];
    }

    public int count() {
        return checksums.length;
    }

    public long pageBytes() {
        return pageBytes;
    }

    /** The memory of one page. */
    public MemorySegment page(int page) {
        return memory.asSlice(page * pageBytes, pageBytes);
    }

    /** Labels a page after its contents have been written. */
    public void writeChecksum(int page, BlockHash key) {
        checksums[page] = checksum(page);
        keys[page] = key;
    }

    /** True if the page holds, undamaged, what was written under this key. */
    public boolean verify(int page, BlockHash key) {
        return key.equals(keys[page]) && checksum(page) == checksums[page];
    }

    /** CRC-32C: an instruction on every server processor, and faster than memory. */
    private int checksum(int page) {
        CRC32C crc = new CRC32C();
        crc.update(page(page).asByteBuffer());
        return (int) crc.getValue();
    }
}
