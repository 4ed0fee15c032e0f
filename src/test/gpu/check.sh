#!/bin/sh
# Runs on a host that has nothing but the NVIDIA driver: kernel tests, the executor's contract, golden models, benchmarks, a
# server under load beside transformers, if the host's python3 has it.
# Results go to the folder named by the first argument, ./results by default. Ends with 3 if there is no GPU.
cd "$(dirname "$0")" || exit 1
RESULTS=${1:-results}
case $RESULTS in /*) ;; *) RESULTS=$OLDPWD/$RESULTS ;; esac
mkdir -p "$RESULTS"
OPTIONS="--enable-native-access=ALL-UNNAMED --add-modules=jdk.incubator.vector -Xmx8g"
CLASSES="target/test-classes:target/classes:lib/*"
failed=0

run() {
  name=$1
  shift
  echo "== $name"
  if "$@" > "$RESULTS/$name.txt" 2>&1; then
    echo "   passed: $RESULTS/$name.txt"
  else
    echo "   FAILED: $RESULTS/$name.txt"
    tail -n 20 "$RESULTS/$name.txt"
    failed=1
  fi
}

java() {
  # shellcheck disable=SC2086
  runtime/bin/java $OPTIONS -cp "$CLASSES" "$@"
}

junit() {
  java org.junit.platform.console.ConsoleLauncher execute --disable-banner --details=tree \
    --reports-dir "$RESULTS/junit" "$@"
}

java dev.sluice.executor.cuda.ShowGpu > "$RESULTS/gpu.txt" 2>&1
code=$?
cat "$RESULTS/gpu.txt"
[ $code -eq 0 ] || exit 1
grep -q '^No GPU' "$RESULTS/gpu.txt" && exit 3

run kernels junit --include-package=dev.sluice.executor.cuda --include-classname='.*Emulated.*Test' \
  --scan-classpath=target/test-classes
run contract junit --select-class=dev.sluice.executor.cuda.CudaExecutorContractTest
run golden junit --select-class=dev.sluice.executor.cuda.CudaGoldenTest \
  --select-class=dev.sluice.executor.cuda.CudaQuantizationTest
run executor junit --select-class=dev.sluice.executor.cuda.CudaExecutorTest \
  --select-class=dev.sluice.executor.cuda.CudaTransfersTest
if command -v compute-sanitizer > /dev/null; then
  run sanitizer compute-sanitizer --target-processes all --error-exitcode 9 runtime/bin/java $OPTIONS -cp "$CLASSES" \
    org.junit.platform.console.ConsoleLauncher execute --select-class=dev.sluice.executor.cuda.CudaGoldenTest
else
  echo "== compute-sanitizer is not on the PATH: memory accesses were not checked"
fi
run benchmark java dev.sluice.executor.cuda.CudaBenchmark
grep '|' "$RESULTS/benchmark.txt"

serve() {
  mkdir -p "$RESULTS/llama-8b"
  cat > "$RESULTS/llama-8b/config.json" << 'CONFIG'
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
 "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
 "max_position_embeddings": 131072, "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "tie_word_embeddings": false,
 "hidden_act": "silu", "eos_token_id": 2}
CONFIG
  java dev.sluice.SluiceApplication --server.address=127.0.0.1 --management.server.address=127.0.0.1 --sluice.executor.type=cuda --sluice.model.load-format=dummy \
    --sluice.model.path="$RESULTS/llama-8b" --sluice.scheduler.max-sequences=256 \
    --sluice.scheduler.max-batched-tokens=8192 > "$RESULTS/server.txt" 2>&1 &
  server=$!
  java dev.sluice.sweep.ServingBenchmark http://127.0.0.1:8080 256 1024 256 1024
  code=$?
  kill $server
  return $code
}
run serving serve
tail -n 1 "$RESULTS/serving.txt"
echo "== baseline"
if command -v python3 > /dev/null; then
  python3 transformers_baseline.py "$RESULTS/llama-8b/config.json" 256 1024 256 > "$RESULTS/baseline.txt" 2>&1
  tail -n 1 "$RESULTS/baseline.txt"
else
  echo "no baseline: there is no python3"
fi
exit $failed
