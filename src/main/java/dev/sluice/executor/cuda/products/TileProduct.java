package dev.sluice.executor.cuda.products;

import dev.sluice.executor.cuda.driver.CudaFunction;
import dev.sluice.executor.cuda.driver.CudaStream;
import dev.sluice.executor.cuda.driver.KernelArguments;
import dev.sluice.executor.cuda.kernels.LoadedTile;
import dev.sluice.executor.cuda.kernels.ProductTile;

/** A product by one of our own kernels. */
final class TileProduct implements ProductKernel {

    private static final int FEW_ROWS = 32; // up to which boxes of 8 rows are copied, so that little is copied in vain
    private static final int SMALL_BOX = 8;
    private static final int LARGE_BOX = 64;
    private static final int WEIGHT_BOX = 32;

    private final ProductTile tile;
    private final CudaFunction function;
    private final CudaStream stream;
    private final KernelArguments arguments;
    private final TensorMaps maps;

    /** @param maps those of the device, which kernels that take tile after tile need */
    TileProduct(LoadedTile kernel, CudaStream stream, KernelArguments arguments, TensorMaps maps) {
        tile = kernel.tile();
        function = kernel.function();
        this.stream = stream;
        this.arguments = arguments;
        this.maps = maps;
    }

    ProductTile tile() {
        return tile;
    }

    @Override
    public String name() {
        return tile.name();
    }

    @Override
    public boolean suits(int m) {
        return tile.suits(m);
    }

    @Override
    public void launch(long c, DeviceMatrix a, DeviceMatrix w, int m) {
        int blocks = tile.blocks(m, w.rows(), stream.context().device().multiprocessors());
        boolean takesMany = tile.blocksTogether() > 0;
        int box = m <= FEW_ROWS ? SMALL_BOX : LARGE_BOX;
        arguments.begin().add(c);
        if (takesMany) {
            arguments.add(maps.of(a, box)).add(maps.of(w, WEIGHT_BOX));
        } else {
            arguments.add(a.address()).add(w.address());
        }
        if (w.format().isScaled()) {
            arguments.add(a.scales()).add(w.scales());
        }
        arguments.add(m).add(w.rows()).add(w.columns());
        if (takesMany) {
            arguments.add(box);
        }
        stream.launch(function, blocks, 1, 1, tile.threads(), arguments);
    }
}
