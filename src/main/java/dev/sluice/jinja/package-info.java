/**
 * An interpreter for the part of Jinja that chat templates use. It works on its own values alone (no host object can be
 * reached), counts every step, and remembers which characters came from the client.
 */
@NullMarked
package dev.sluice.jinja;

import org.jspecify.annotations.NullMarked;
