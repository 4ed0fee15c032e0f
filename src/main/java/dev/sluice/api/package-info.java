/** OpenAI-compatible controllers, validation, errors and event streams. */
@NullMarked
package dev.sluice.api;

import org.jspecify.annotations.NullMarked;
