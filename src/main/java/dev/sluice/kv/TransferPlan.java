package dev.sluice.kv;

import java.util.List;

/**
 * The copies between device blocks and host pages that belong to one step; part of the work order, so that no copy can
 * overtake a kernel.
 */
public record TransferPlan(List<BlockTransfer> loads, List<BlockTransfer> stores) {

    /** Nothing to copy. */
    public static final TransferPlan NONE = new TransferPlan(List.of(), List.of());

    public boolean isEmpty() {
        return loads.isEmpty() && stores.isEmpty();
    }
}
