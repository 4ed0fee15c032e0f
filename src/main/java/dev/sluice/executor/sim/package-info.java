/** The self-checking simulator: no model, but it verifies every step plan slot by slot. */
@NullMarked
package dev.sluice.executor.sim;

import org.jspecify.annotations.NullMarked;
