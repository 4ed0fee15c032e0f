package dev.sluice.executor.cuda;

/** A product by cuBLASLt, for one shape of weights, with the algorithm for so many rows. */
record CublasProduct(CublasLt.Product product, int rowsMax) implements ProductKernel {

    @Override
    public String name() {
        return "cuBLASLt";
    }

    @Override
    public boolean suits(int m) {
        return m <= rowsMax;
    }

    @Override
    public void launch(long c, DeviceMatrix a, DeviceMatrix w, int m) {
        product.run(c, a.address(), w.address(), m);
    }
}
