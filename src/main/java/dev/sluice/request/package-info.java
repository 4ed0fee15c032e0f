/** The words every room shares: a request, its sampling, its events. No behaviour. */
@NullMarked
package dev.sluice.request;

import org.jspecify.annotations.NullMarked;
