/** Shared fixtures of the tests. */
@NullMarked
package dev.sluice.testkit;

import org.jspecify.annotations.NullMarked;
