/** Model directories, configurations, weights and their file formats. */
@NullMarked
package dev.sluice.model;

import org.jspecify.annotations.NullMarked;
