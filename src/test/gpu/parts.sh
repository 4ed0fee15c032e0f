#!/bin/sh
# Of check.sh: what is run. Each part is a function, and each test class a process of its own: after a wrong access to memory
# no call of that process reaches the GPU.
# shellcheck disable=SC2034 # record.sh and check.sh read what is set here

JAVA=runtime/bin/java
CLASSES="target/test-classes:target/classes:lib/*"
PORT=${CHECK_PORT:-8080}
SHAPE=${CHECK_SHAPE:-llama-8b} # tiny for an emulated GPU
LOAD=${CHECK_LOAD:-256 1024 256 1024} # clients, tokens in, tokens out, requests

# jvm NAME MAIN ARGUMENTS...: attempts a main class.
jvm() {
  name=$1
  shift
  attempt "$name" "$JAVA" --enable-native-access=ALL-UNNAMED --add-modules=jdk.incubator.vector -Xmx8g \
    -XX:-CreateCoredumpOnCrash "-XX:ErrorFile=$WORK/logs/$PART/$name.crash.txt" -cp "$CLASSES" "$@"
}

# ---- the host ----

# Sets GPU to there, none, or what happened to the driver.
describe_host() {
  PART=host
  mkdir -p "$WORK/logs/host"
  PART_END=$(($(now) + 30))
  PROGRAM_LIMIT=30
  jvm gpu dev.sluice.executor.cuda.ShowGpu
  PART=
  case $OUTCOME in
    passed) GPU=there ;;
    skipped:*) GPU=none ;;
    *) GPU="could not be asked: $OUTCOME" ;;
  esac
  {
    grep -E '^(No )?GPU' "$LOG" || tail -n 3 "$LOG"
    show_smi
    date -u '+%Y-%m-%d %H:%M UTC'
  } > "$WORK/parts/host" 2>&1
  cat "$WORK/parts/host"
}

# One line: what nvidia-smi knows of the first GPU, if it is there.
show_smi() {
  command -v nvidia-smi > /dev/null || return
  fields='name driver_version memory.total memory.used clocks.sm clocks.mem clocks.max.sm clocks.max.mem power.limit'
  echo "$fields ecc.mode.current mig.mode.current" | tr ' ' '\n' > "$WORK/smi"
  timeout 20 nvidia-smi -i 0 --format=csv,noheader --query-gpu="$(paste -s -d , "$WORK/smi")" \
    | tr ',' '\n' | sed 's/^ *//' | paste -d = "$WORK/smi" - | paste -s -d ' ' -
}

# PyTorch brings cuBLASLt in a folder that the system's loader does not know. Server, tests and benchmarks read the variable.
find_cublas() {
  if [ -z "${SLUICE_EXECUTOR_CUDA_CUBLASLIBRARY:-}" ]; then
    cublas_folders | while read -r folder; do
      timeout 20 find "$folder/" -maxdepth 7 -name 'libcublasLt.so.1[23]' 2> /dev/null
    done > "$WORK/cublas"
    SLUICE_EXECUTOR_CUDA_CUBLASLIBRARY=$({ grep '13$' "$WORK/cublas"; grep '12$' "$WORK/cublas"; } | head -n 1)
    export SLUICE_EXECUTOR_CUDA_CUBLASLIBRARY
  fi
  echo "cuBLASLt: ${SLUICE_EXECUTOR_CUDA_CUBLASLIBRARY:-what the loader finds, if any}" | tee -a "$WORK/parts/host"
}

cublas_folders() {
  if command -v python3 > /dev/null; then
    timeout 20 python3 -c 'import sys; print("\n".join(p for p in sys.path if p.endswith("-packages")))'
  fi > "$WORK/packages"
  {
    echo "${VIRTUAL_ENV:-}"
    cat "$WORK/packages"
    printf '%s\n' /usr/local/cuda* /usr/lib/x86_64-linux-gnu /opt
  } | while read -r folder; do
    [ -n "$folder" ] && [ -d "$folder" ] && echo "$folder"
  done
}

# The path of a program of the CUDA toolkit, whether or not it is on the PATH.
toolkit_program() {
  command -v "$1" && return
  for file in /usr/local/cuda*/bin/"$1" /opt/nvidia/nsight-compute/*/"$1"; do
    [ -x "$file" ] && echo "$file" && return
  done
  return 1
}

# missing NAME: notes that a program is not there.
missing() {
  name=$1
  LOG=/dev/null
  TOOK=0
  OUTCOME="skipped: there is no $1"
  note ""
}

# ---- tests ----

# Names of the test classes in files of these names, which may have wildcards; what is not found stays as it is, and fails.
test_classes() {
  for pattern in "$@"; do
    found=$(find target/test-classes -name "$pattern.class" | sort)
    echo "${found:-$pattern}"
  done | sed 's|^target/test-classes/||; s|/|.|g; s|\.class$||' | awk '!seen[$0]++'
}

# The number of tests that JUnit says of what: found, failed and so on; nothing if it has not come to its end.
tests() {
  sed -n "s/^\[ *\([0-9]*\) tests $1 *\]\$/\1/p" "$LOG" | tail -n 1
}

# Attempts a test class.
run_class() {
  jvm "$(echo "${1##*.}" | tr '$' '.')" org.junit.platform.console.ConsoleLauncher execute --disable-banner \
    --disable-ansi-colors --details=verbose --fail-if-no-tests --select-class="$1"
}

# Attempts each of these classes, and adds up their tests.
run_tests() {
  ran=0
  failed=0
  skipped=0
  test_classes "$@" > "$WORK/classes"
  while read -r class; do
    run_class "$class" < /dev/null
    if [ -n "$(tests found)" ]; then
      here=$(($(tests successful) + $(tests failed)))
      without=$(($(tests found) - here))
      ran=$((ran + here))
      failed=$((failed + $(tests failed)))
      skipped=$((skipped + without))
      # All that a class asks for may be missing: then it has shown nothing.
      [ "$OUTCOME" = passed ] && [ $here -eq 0 ] && OUTCOME="FAILED (no test ran)"
      note "$here tests, $(tests failed) failed, $without skipped"
    else
      case $OUTCOME in FAILED*) OUTCOME="crashed (exit $CODE)" ;; esac
      note "no count of tests"
    fi
  done < "$WORK/classes"
  FIGURE="$ran tests, $failed failed, $skipped skipped"
}

part_kernels() {
  run_tests EmulatedWgmmaTest EmulatedGemmTest EmulatedAttentionTest EmulatedKernelTest 'Emulated*Test'
}

part_golden() {
  run_tests CudaGoldenTest
}

# Its nested classes that are not abstract.
part_contract() {
  # shellcheck disable=SC2016 # that is how they are called
  run_tests 'CudaExecutorContractTest$With*' 'CudaExecutorContractTest$In[A-Z]*'
}

part_executor() {
  run_tests CudaExecutorTest CudaTransfersTest
}

part_quantise() {
  run_tests CudaQuantizationTest
  benchmark steps-fp8 "$SHAPE" fp8 steps
}

part_sanitize() {
  sanitizer=$(toolkit_program compute-sanitizer) || { missing compute-sanitizer; return; }
  class=$(test_classes "${SANITIZE_CLASS:-CudaGoldenTest}")
  attempt "${class##*.}" "$sanitizer" --target-processes all --error-exitcode 9 "$JAVA" \
    --enable-native-access=ALL-UNNAMED --add-modules=jdk.incubator.vector -Xmx8g -cp "$CLASSES" \
    org.junit.platform.console.ConsoleLauncher execute --disable-banner --disable-ansi-colors --details=verbose --select-class="$class"
  note "$(grep 'ERROR SUMMARY' "$LOG" | tail -n 1)"
}

# ---- measurements ----

# benchmark NAME ARGUMENTS...
benchmark() {
  label=$1
  shift
  jvm "$label" dev.sluice.executor.cuda.CudaBenchmark "$@"
  note "$(grep -c '^|' "$LOG") rows"
  note_rows
}

part_bench() {
  benchmark kernels "$SHAPE" none kernels
  benchmark steps "$SHAPE" none steps
}

# The configuration of a model of $SHAPE, for random weights; and BATCH, how much of it a server computes at once.
model_config() {
  BATCH="--sluice.scheduler.max-sequences=256 --sluice.scheduler.max-batched-tokens=8192"
  set -- 4096 14336 32 32 8 128256
  if [ "$SHAPE" = tiny ]; then
    BATCH="--sluice.scheduler.max-sequences=4 --sluice.scheduler.max-batched-tokens=16 --sluice.model.max-context=256"
    set -- 64 128 2 4 2 6400
  fi
  mkdir -p "$WORK/model"
  cat > "$WORK/model/config.json" << CONFIG
{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": $1, "intermediate_size": $2,
 "num_hidden_layers": $3, "num_attention_heads": $4, "num_key_value_heads": $5, "vocab_size": $6,
 "max_position_embeddings": 131072, "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "tie_word_embeddings": false,
 "hidden_act": "silu", "eos_token_id": 2}
CONFIG
}

start_server() {
  model_config
  # shellcheck disable=SC2086 # they are several words
  bounded $((PART_END - $(now))) "$JAVA" --enable-native-access=ALL-UNNAMED --add-modules=jdk.incubator.vector -Xmx8g \
    -XX:-CreateCoredumpOnCrash "-XX:ErrorFile=$WORK/logs/$PART/server.crash.txt" -cp "$CLASSES" dev.sluice.SluiceApplication \
    --server.address=127.0.0.1 --server.port="$PORT" --management.server.address=127.0.0.1 --management.server.port=0 \
    --sluice.executor.type=cuda --sluice.model.load-format=dummy --sluice.model.path="$WORK/model" \
    $BATCH > "$WORK/logs/$PART/server.txt" 2>&1 &
  SERVER=$!
}

# Ends the client if the server has ended before it: there is nothing to wait for.
watch_server() {
  while group_lives "$SERVER"; do
    sleep 1
  done
  while [ ! -s "$WORK/child" ]; do
    sleep 0.2
  done
  client=$(cat "$WORK/child")
  kill -s KILL -- "-$client" 2> /dev/null || kill -s KILL "$client" 2> /dev/null
}

# First as an operator does, then for certain; its port and memory are free when its last process has ended.
stop_server() {
  kill "$WATCH" 2> /dev/null
  wait "$WATCH" 2> /dev/null
  WATCH=
  kill -TERM "$SERVER" 2> /dev/null
  await_end "$SERVER" 20
  end_group "$SERVER"
  SERVER=
}

port_is_taken() {
  awk -v port=":$(printf '%04X' "$PORT")\$" '$2 ~ port && $4 == "0A" { found = 1 } END { exit !found }' \
    /proc/net/tcp /proc/net/tcp6 2> /dev/null
}

part_server() {
  if port_is_taken; then
    missing "free port $PORT: set CHECK_PORT"
    return
  fi
  start_server
  watch_server > /dev/null 2>&1 &
  WATCH=$!
  # shellcheck disable=SC2086 # they are several words
  jvm clients dev.sluice.sweep.ServingBenchmark "http://127.0.0.1:$PORT" $LOAD
  if [ "$OUTCOME" != passed ] && ! group_lives "$SERVER"; then
    OUTCOME="FAILED (the server ended)"
    LOG=$WORK/logs/$PART/server.txt
  fi
  stop_server
  FIGURE=$(grep 'output tokens/s' "$LOG" | tail -n 1)
  note "$FIGURE"
}

# script NAME ARGUMENTS...: a program for the host's Python, which is not to ask the network for anything.
script() {
  name=$1
  shift
  attempt "$name" env HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 PYTHONUNBUFFERED=1 python3 "$name.py" "$@"
}

part_baseline() {
  command -v python3 > /dev/null || { missing python3; return; }
  model_config
  script torch_kernels
  note "$(grep -c '^|' "$LOG") rows"
  note_rows
  script transformers_baseline "$WORK/model/config.json" 256 1024 256
  FIGURE=$(grep 'output tokens/s' "$LOG" | tail -n 1)
  note "$FIGURE"
}

# ---- the profiler ----

# What answers the open questions: bytes a second, waiting for memory, use of the tensor pipe, conflicts of shared memory.
METRICS="gpu__time_duration.sum
dram__bytes.sum.per_second
dram__throughput.avg.pct_of_peak_sustained_elapsed
lts__t_bytes.sum.per_second
lts__t_sectors_op_read.sum
sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_elapsed
sm__inst_executed_pipe_tensor_op_gmma.avg.pct_of_peak_sustained_active
smsp__issue_active.avg.pct_of_peak_sustained_active
smsp__average_warps_issue_stalled_long_scoreboard_per_issue_active.ratio
smsp__average_warps_issue_stalled_barrier_per_issue_active.ratio
smsp__average_warps_issue_stalled_short_scoreboard_per_issue_active.ratio
smsp__average_warps_issue_stalled_gmma_per_issue_active.ratio
l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum
l1tex__data_pipe_lsu_wavefronts_mem_shared.sum
sm__warps_active.avg.pct_of_peak_sustained_active
launch__registers_per_thread
launch__occupancy_limit_shared_mem"
PROFILED='gemm_wgmma_128x256(_pair)?_bf16(_silu_mul)?|gemm_wgmma_64x32_bf16|paged_attention_(decode|prefill)_bf16_128|paged_attention_reduce_bf16'
PROFILED="^($PROFILED|(add_)?rms_norm_bf16)\$"

# Those of the metrics that this profiler has: it refuses to begin if it does not know one.
known_metrics() {
  timeout 60 "$1" --query-metrics 2> /dev/null | awk '{ print $1 }' > "$WORK/known"
  [ -s "$WORK/known" ] || echo "$METRICS" | sed 's/\..*//' > "$WORK/known"
  echo "$METRICS" | while read -r metric; do
    case $metric in
      launch__*) echo "$metric" ;;
      *) grep -qx "${metric%%.*}" "$WORK/known" && echo "$metric" ;;
    esac
  done | paste -s -d , -
}

# Three launches of each kernel, in steps of a model of two layers.
part_ncu() {
  profiler=$(toolkit_program ncu) || { missing ncu; return; }
  attempt profile "$profiler" --target-processes all --clock-control none --graph-profiling node \
    --kernel-id "::regex:$PROFILED:^[1-3]\$" --metrics "$(known_metrics "$profiler")" --csv --page raw \
    --log-file "$WORK/logs/ncu/profile.csv" "$JAVA" --enable-native-access=ALL-UNNAMED \
    --add-modules=jdk.incubator.vector -Xmx8g -cp "$CLASSES" dev.sluice.executor.cuda.CudaBenchmark two-layers steps
  FIGURE="$(grep -c '^"[0-9]' "$WORK/logs/ncu/profile.csv" 2> /dev/null) launches profiled"
  note "$FIGURE"
  grep '^==ERROR==' "$WORK/logs/ncu/profile.csv" 2> /dev/null | head -n 3 | sed 's/^/      > /' | tee -a "$DETAILS"
  if command -v python3 > /dev/null; then
    timeout 20 python3 ncu_table.py "$WORK/logs/ncu/profile.csv" > "$LOG.table" 2>&1
    sed 's/^/    /' "$LOG.table" | tee -a "$DETAILS"
  fi
}
