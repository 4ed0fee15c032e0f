/** The embedded executor: runs anywhere the JVM does, in the Vector API, with a scalar reference beside it. */
@NullMarked
package dev.sluice.executor.cpu;

import org.jspecify.annotations.NullMarked;
