"""What PyTorch takes for the products of a layer of Llama-3.1-8B, and for attention over a prompt of 8,192 positions.

It says how far our own kernels, measured on the same card by CudaBenchmark, are from what others reach. Ends with 3 if torch
is not there, or sees no GPU.
"""
import sys

try:
    import torch
    from torch.nn.functional import scaled_dot_product_attention
except ImportError as missing:
    print(f"no torch: {missing}")
    sys.exit(3)
if not torch.cuda.is_available():
    print("torch sees no GPU")
    sys.exit(3)

ROUNDS = 20
CACHE_BYTES = 256 << 20  # more than the caches hold: operands in turn, or small products would be measured from there
SHAPES = [(6144, 4096), (4096, 4096), (28672, 4096), (4096, 14336)]  # rows of the weights, columns


def random(*shape):
    return torch.randn(*shape, dtype=torch.bfloat16, device="cuda")


def seconds(work, operands):
    """Best of some rounds, in each of which the work is done with all operands in turn."""
    best = float("inf")
    for _ in range(ROUNDS + 1):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        for operand in operands:
            work(operand)
        end.record()
        end.synchronize()
        best = min(best, start.elapsed_time(end) / 1e3 / len(operands))
    return best


def report(what, taken, figure):
    print(f"| {what:<50} | {taken * 1e3:10.3f} ms | {figure:<18} |", flush=True)


def products():
    for n, k in SHAPES:
        copies = min(16, max(3, CACHE_BYTES // (2 * n * k)))
        weights = [random(n, k).t() for _ in range(copies)]
        for m in (1, 64, 512, 4096):
            a = random(m, k)
            taken = seconds(lambda w: torch.matmul(a, w), weights)
            figure = f"{2e-12 * m * n * k / taken:.0f} TFLOP/s, {2e-12 * n * k / taken:.2f} TB/s"
            report(f"torch.matmul {m} x {n} x {k}", taken, figure)


def attention(length=8192, heads=32, kv_heads=8, size=128):
    queries = random(1, heads, length, size)
    keys_and_values = [(random(1, kv_heads, length, size), random(1, kv_heads, length, size)) for _ in range(3)]

    def attend(pair):
        scaled_dot_product_attention(queries, *pair, is_causal=True, enable_gqa=True)

    taken = seconds(attend, keys_and_values)
    operations = 2.0 * heads * size * length * length
    report(f"torch causal attention, {length} positions", taken, f"{operations / taken / 1e12:.0f} TFLOP/s")


with torch.inference_mode():
    products()
    attention()
