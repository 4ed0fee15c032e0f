/** JSON shapes of the API. Nothing outside api sees them. */
@NullMarked
package dev.sluice.api.wire;

import org.jspecify.annotations.NullMarked;
