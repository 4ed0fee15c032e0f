/** Clock and threads: the only way to time and concurrency. */
@NullMarked
package dev.sluice.runtime;

import org.jspecify.annotations.NullMarked;
