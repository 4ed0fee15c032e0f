/** Logits to token. */
@NullMarked
package dev.sluice.sampling;

import org.jspecify.annotations.NullMarked;
