package dev.sluice.executor.cuda.products;

/**
 * A product by cuBLASLt, for one shape of weights and just so many rows: what its algorithms do with other numbers of rows,
 * nobody promises.
 */
record CublasProduct(CublasLt.Product product, int rows) implements ProductKernel {

    @Override
    public String name() {
        return "cuBLASLt";
    }

    @Override
    public boolean suits(int m) {
        return m == rows;
    }

    @Override
    public void launch(long c, DeviceMatrix a, DeviceMatrix w, int m) {
        product.run(c, a.address(), w.address(), m);
    }
}
