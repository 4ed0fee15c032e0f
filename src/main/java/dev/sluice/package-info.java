/** The start of Sluice, an LLM serving system for the JVM. */
@NullMarked
package dev.sluice;

import org.jspecify.annotations.NullMarked;
