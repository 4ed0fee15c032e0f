/** The furnace's door: the work order, its answer, and the port every executor implements. */
@NullMarked
package dev.sluice.executor;

import org.jspecify.annotations.NullMarked;
