package dev.sluice.offload.host;

import dev.sluice.kv.BlockHash;
import java.util.Arrays;
import java.util.List;

/** Chunk keys for tests: a number each. */
final class Keys {

    private Keys() {}

    static BlockHash key(int number) {
        return new BlockHash(number, 0, 0, 0);
    }

    static List<BlockHash> keys(int... numbers) {
        return Arrays.stream(numbers).mapToObj(Keys::key).toList();
    }
}
