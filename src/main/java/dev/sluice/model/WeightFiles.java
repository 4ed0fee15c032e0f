package dev.sluice.model;

import java.lang.foreign.Arena;
import java.util.LinkedHashMap;
import java.util.Map;

/** All tensors that the files of one model hold, in one piece or in shards that agree with their index. */
final class WeightFiles {

    private static final int INDEX_BYTES_MAX = 64 << 20;

    private final Map<String, Tensor> tensors = new LinkedHashMap<>();
    private final Map<String, String> unservedTypes = new LinkedHashMap<>();

    private WeightFiles() {}

    static WeightFiles open(ModelSource source, Arena arena) {
        WeightFiles files = new WeightFiles();
        if (source.has(ShardIndex.SINGLE_FILE)) {
            files.add(source.weights(ShardIndex.SINGLE_FILE, arena));
            return files;
        }
        byte[] index = source.read(ShardIndex.FILE, INDEX_BYTES_MAX);
        if (index == null) {
            throw new ModelFormatException("The model " + Echo.of(source.modelName()) + " has no weights: neither "
                    + ShardIndex.SINGLE_FILE + " nor " + ShardIndex.FILE + ".");
        }
        files.addShards(source, ShardIndex.read(index), arena);
        return files;
    }

    private void addShards(ModelSource source, ShardIndex index, Arena arena) {
        for (String shard : index.shards()) {
            if (!source.has(shard)) {
                throw new ModelFormatException("The weights file " + shard + " named by the index is missing.");
            }
            add(source.weights(shard, arena));
        }
        index.shardByTensor().forEach((tensor, shard) -> {
            if (!tensors.containsKey(tensor) && !unservedTypes.containsKey(tensor)) {
                throw new ModelFormatException(
                        "Tensor " + Echo.of(tensor) + " is missing: the index places it in " + shard + ".");
            }
        });
    }

    private void add(SafetensorsFile file) {
        file.tensors().forEach((name, tensor) -> {
            refuseSecond(name, file.name());
            tensors.put(name, tensor);
        });
        file.unservedTypes().forEach((name, type) -> {
            refuseSecond(name, file.name());
            unservedTypes.put(name, type);
        });
    }

    private void refuseSecond(String tensor, String file) {
        if (tensors.containsKey(tensor) || unservedTypes.containsKey(tensor)) {
            throw new ModelFormatException(
                    "Tensor " + Echo.of(tensor) + " is in two weights files, the second is " + file + ".");
        }
    }

    /** The tensors that the plan asks for; see {@link WeightPlan#verify}. */
    WeightMap verify(WeightPlan plan) {
        return plan.verify(tensors, unservedTypes);
    }
}
