/** The host tier: chunks of blocks in host memory, and the connector that moves them between the tiers. */
@NullMarked
package dev.sluice.offload.host;

import org.jspecify.annotations.NullMarked;
