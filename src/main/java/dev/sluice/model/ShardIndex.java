package dev.sluice.model;

import java.util.HashMap;
import java.util.Map;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.regex.Pattern;
import tools.jackson.databind.JsonNode;

/**
 * The index of a model whose weights are spread over several files.
 *
 * @param shardByTensor which file holds which tensor
 */
public record ShardIndex(Map<String, String> shardByTensor) {

    /** The file that a sharded model has. */
    public static final String FILE = "model.safetensors.index.json";

    /** The file that a model in one piece has. */
    public static final String SINGLE_FILE = "model.safetensors";

    private static final int SHARDS_MAX = 1_024;

    // A file name and nothing more: no separator, no leading dot, no drive.
    private static final Pattern SHARD_NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,200}\\.safetensors");

    public ShardIndex {
        shardByTensor = Map.copyOf(shardByTensor);
    }

    /** @throws ModelFormatException if the bytes are not an index of plain file names */
    public static ShardIndex read(byte[] bytes) {
        JsonNode weightMap = StrictJson.object(FILE, bytes).get("weight_map");
        if (weightMap == null || !weightMap.isObject() || weightMap.isEmpty()) {
            throw new ModelFormatException(FILE + ": weight_map is missing, empty or not an object.");
        }
        Map<String, String> shards = HashMap.newHashMap(weightMap.size());
        for (Map.Entry<String, JsonNode> entry : weightMap.properties()) {
            String shard = entry.getValue().isString() ? entry.getValue().stringValue() : "";
            if (!SHARD_NAME.matcher(shard).matches()) {
                throw new ModelFormatException(FILE + ": tensor " + Echo.of(entry.getKey()) + " is said to be in "
                        + Echo.of(shard) + ", which is not the plain name of a safetensors file.");
            }
            shards.put(entry.getKey(), shard);
        }
        ShardIndex index = new ShardIndex(shards);
        if (index.shards().size() > SHARDS_MAX) {
            throw new ModelFormatException(FILE + " names more than " + SHARDS_MAX + " files.");
        }
        return index;
    }

    /** The files, in the order of their names. */
    public SortedSet<String> shards() {
        return new TreeSet<>(shardByTensor.values());
    }
}
