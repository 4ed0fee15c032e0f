/** Chat templates and tokenizers turn words into token ids and back. */
@NullMarked
package dev.sluice.text;

import org.jspecify.annotations.NullMarked;
