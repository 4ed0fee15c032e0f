"""Tokens a second of Hugging Face transformers' generate: what the server is held against.

Random weights of the shape in a config.json; all requests in one batch, the prompts of one length, greedy, exactly so many
new tokens. Arguments: config.json, requests, prompt length, new tokens. Ends with 3 if torch or transformers is not there.
"""
import sys
import time

try:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
except ImportError as missing:
    print(f"no baseline: {missing}")
    sys.exit(3)

path, requests, prompt, output = sys.argv[1], *map(int, sys.argv[2:5])
config = AutoConfig.from_pretrained(path)
torch.set_default_dtype(torch.bfloat16)
with torch.device("cuda"):
    model = AutoModelForCausalLM.from_config(config)
model.eval()


def run(count):
    ids = torch.randint(10, config.vocab_size, (count, prompt), device="cuda")
    torch.cuda.synchronize()
    start = time.perf_counter()
    with torch.inference_mode():
        model.generate(ids, do_sample=False, min_new_tokens=output, max_new_tokens=output, pad_token_id=0)
    torch.cuda.synchronize()
    return time.perf_counter() - start


run(1)
seconds = run(requests)
print(f"transformers: {requests} requests in {seconds:.1f} s: {requests * output / seconds:.0f} output tokens/s")
