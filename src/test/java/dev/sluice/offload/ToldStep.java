package dev.sluice.offload;

import dev.sluice.kv.BlockHash;

/** A step that computes so many tokens for each of these requests, into a block of its own. */
record ToldStep(ToldStep.Request... requests) implements StepView {
    @Override
    public int size() {
        return requests.length;
    }

    @Override
    public ConnectorRequest request(int index) {
        return requests[index];
    }

    @Override
    public int scheduledTokens(int index) {
        return 10 + index;
    }

    @Override
    public int[] blocks(int index) {
        return new int[] {0, 10 + index, 0};
    }

    @Override
    public int blockCount(int index) {
        return 2;
    }

    /** A prompt of 40 tokens in blocks of 16, of which so many are counted as computed. */
    record Request(long sequence, int computedTokens) implements ConnectorRequest {
        @Override
        public int promptLength() {
            return 40;
        }

        @Override
        public int tokenCount() {
            return 40;
        }

        @Override
        public int hashedBlocks() {
            return 2;
        }

        @Override
        public BlockHash blockHash(int index) {
            return new BlockHash(index, 0, 0, 0);
        }

        @Override
        public int maxOffloadTokens() {
            return Integer.MAX_VALUE;
        }
    }
}
