"""Tokens a second of Hugging Face transformers' generate: what the server is held against.

Random weights of the shape in a config.json; as many requests in one batch as the memory holds, prompts of one length, greedy,
exactly so many new tokens. Arguments: config.json, requests, prompt length, new tokens. Ends with 3 if torch or transformers
is not there, or torch sees no GPU.
"""
import sys
import time

try:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
except ImportError as missing:
    print(f"no baseline: {missing}")
    sys.exit(3)
if not torch.cuda.is_available():
    print("no baseline: torch sees no GPU")
    sys.exit(3)

path, requests, prompt, output = sys.argv[1], *map(int, sys.argv[2:5])
config = AutoConfig.from_pretrained(path, local_files_only=True)
torch.set_default_dtype(torch.bfloat16)
with torch.device("cuda"):
    model = AutoModelForCausalLM.from_config(config)
model.eval()


def run(count):
    """Seconds of a batch of so many requests."""
    ids = torch.randint(10, config.vocab_size, (count, prompt), device="cuda")
    mask = torch.ones_like(ids)
    torch.cuda.synchronize()
    start = time.perf_counter()
    with torch.inference_mode():
        model.generate(
            ids, attention_mask=mask, do_sample=False, min_new_tokens=output, max_new_tokens=output, pad_token_id=0
        )
    torch.cuda.synchronize()
    return time.perf_counter() - start


def largest_batch(count):
    """Halves the batch until it fits; returns it and its seconds."""
    while True:
        try:
            return count, run(count)
        except torch.cuda.OutOfMemoryError:
            if count == 1:
                raise
            print(f"a batch of {count} does not fit", flush=True)
        # Here, when the exception and what its frames held are gone.
        torch.cuda.empty_cache()
        count //= 2


run(1)
batch, seconds = largest_batch(requests)
print(f"transformers: batches of {batch} requests: {batch * output / seconds:.0f} output tokens/s, {seconds:.1f} s each")
