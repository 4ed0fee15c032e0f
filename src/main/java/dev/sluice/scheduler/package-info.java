/** Continuous batching on one thread and one clock. */
@NullMarked
package dev.sluice.scheduler;

import org.jspecify.annotations.NullMarked;
