/** Wiring only: properties to settings records, settings to beans. */
@NullMarked
package dev.sluice.config;

import org.jspecify.annotations.NullMarked;
