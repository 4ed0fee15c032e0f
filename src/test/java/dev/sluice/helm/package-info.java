/** The chart, rendered and linted without a cluster. */
@NullMarked
package dev.sluice.helm;

import org.jspecify.annotations.NullMarked;
