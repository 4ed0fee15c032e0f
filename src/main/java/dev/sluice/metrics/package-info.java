/** Meters: listens, counts, and can be removed without any other room noticing. */
@NullMarked
package dev.sluice.metrics;

import org.jspecify.annotations.NullMarked;
