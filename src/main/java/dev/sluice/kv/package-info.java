/** The KV cache: blocks of key/value memory, counted in and counted out, shared by prefix. */
@NullMarked
package dev.sluice.kv;

import org.jspecify.annotations.NullMarked;
