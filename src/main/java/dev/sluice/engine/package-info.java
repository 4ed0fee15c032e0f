/** The life of the engine: it is loaded, tried, watched and drained here, and the process ends here when it cannot go on. */
@NullMarked
package dev.sluice.engine;

import org.jspecify.annotations.NullMarked;
