/**
 * An interpreter for the part of Jinja that chat templates use. It works on its own values alone (no host object can be
 * reached), counts every step, and remembers which characters came from the client. It imports nothing of the rest of
 * Sluice. What it does not know it refuses, because a prompt that differs from the one a model was trained with is worse
 * than an error.
 *
 * <p>Why not Jinjava: its release 2.8.4 renders 19 of the 130 golden conversations of {@code chat_templates.json} as Hugging
 * Face does, this package all of them. {@code src/docs/architecture.md} has the list of what fails.
 */
@NullMarked
package dev.sluice.jinja;

import org.jspecify.annotations.NullMarked;
