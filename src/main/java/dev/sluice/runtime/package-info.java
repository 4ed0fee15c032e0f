/** Clock and threads: the only doors through which time and concurrency enter. */
@NullMarked
package dev.sluice.runtime;

import org.jspecify.annotations.NullMarked;
