package dev.sluice.kv;

import java.util.List;

/**
 * The copies between device blocks and host pages that go with one step; part of the step plan, so that no copy can
 * overtake a computation.
 *
 * <p>An executor begins the stores and then the loads before it computes. Every job of an accepted plan is reported
 * exactly once, whatever becomes of the step.
 *
 * @param awaited jobs of this or earlier plans that must have ended before a load or the computation writes anything,
 *     because they still read blocks that will be written
 * @param stores from device to host; their blocks hold what earlier steps computed
 * @param loads from host to device
 */
@SuppressWarnings("ArrayRecordComponent") // written once by the connector, read by the executor
public record TransferPlan(long[] awaited, List<BlockTransfer> stores, List<BlockTransfer> loads) {

    /** Nothing to copy. */
    public static final TransferPlan NONE = new TransferPlan(new long[0], List.of(), List.of());

    public boolean isEmpty() {
        return stores.isEmpty() && loads.isEmpty() && awaited.length == 0;
    }
}
