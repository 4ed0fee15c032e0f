/** The executor for NVIDIA GPUs, and the few functions of the CUDA driver that it needs, without native code of its own. */
@NullMarked
package dev.sluice.executor.cuda;

import org.jspecify.annotations.NullMarked;
