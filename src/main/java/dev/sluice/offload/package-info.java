/** Offload: key/value blocks beyond the device, behind one port. */
@NullMarked
package dev.sluice.offload;

import org.jspecify.annotations.NullMarked;
