/** Models from a hub: what is needed of them, checked byte by byte, laid into a directory. */
@NullMarked
package dev.sluice.model.hub;

import org.jspecify.annotations.NullMarked;
