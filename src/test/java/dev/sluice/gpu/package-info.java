/** The script that checks a GPU host, tried without one. */
@NullMarked
package dev.sluice.gpu;

import org.jspecify.annotations.NullMarked;
