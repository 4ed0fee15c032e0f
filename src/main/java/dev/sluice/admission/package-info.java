/** Admission: a permit, or an immediate refusal that says when to come back. */
@NullMarked
package dev.sluice.admission;

import org.jspecify.annotations.NullMarked;
