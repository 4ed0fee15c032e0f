/** Connections before they are calls: how many there may be, what their heads must look like, and how long they may take. */
@NullMarked
package dev.sluice.api.connection;

import org.jspecify.annotations.NullMarked;
