package dev.sluice.executor;

import dev.sluice.kv.KvLayout;

/**
 * What the scheduler must know of an executor.
 *
 * @param name for logs and health: {@code cpu}, {@code cuda}, {@code simulator}
 * @param device human-readable description of the hardware
 * @param vocabularySize ids are in [0, vocabularySize)
 * @param contextLength longest sequence, prompt plus output, in tokens
 * @param blockBytes bytes of one block: what a {@link dev.sluice.kv.HostPages page} must hold
 * @param blockFormat what those bytes mean, with a version: a block that was kept elsewhere is of use only under the same
 */
public record ExecutorSpec(
        String name,
        String device,
        int vocabularySize,
        int contextLength,
        KvLayout kv,
        long blockBytes,
        String blockFormat) {}
