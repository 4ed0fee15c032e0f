/** The whole application in one process, over real sockets, with the embedded model. */
@NullMarked
package dev.sluice.it;

import org.jspecify.annotations.NullMarked;
