/** Deterministic simulation of the production loop: one seed decides everything. */
@NullMarked
package dev.sluice.sim;

import org.jspecify.annotations.NullMarked;
