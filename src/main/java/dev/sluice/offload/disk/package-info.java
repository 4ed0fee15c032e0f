/** A storage tier of files in one directory, which survives restarts and believes nothing it reads. */
@NullMarked
package dev.sluice.offload.disk;

import org.jspecify.annotations.NullMarked;
