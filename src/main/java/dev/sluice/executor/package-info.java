/**
 * The step contract: the plan of a step, its result, and the port that every executor implements.
 *
 * <p>Where what is not built yet would go, each as one field of {@link dev.sluice.executor.ScheduledSequence}:
 *
 * <ul>
 *   <li>drafted tokens: the last ids of the line are guesses, so many as the field says, and {@code outputs} becomes one
 *       more than that. A result line can carry several tokens already.
 *   <li>a mask of allowed tokens (grammars, tools): beside {@code sampling}, read where the line is sampled.
 *   <li>an adapter: beside {@code sampling}, read where the line is computed, and part of the salt of its block hashes.
 * </ul>
 *
 * A line with drafts, or with a mask that depends on what came before, cannot be written before the host has seen the tokens
 * before it: the scheduler asks that in one place, {@code StepAhead.needsHostToken}.
 */
@NullMarked
package dev.sluice.executor;

import org.jspecify.annotations.NullMarked;
