#!/bin/sh
# Runs on a host that has little more than the NVIDIA driver: tests of the kernels and of the executor, benchmarks, a server
# under load, the same by PyTorch, compute-sanitizer, the profiler. What hangs, crashes or fails costs only itself.
#
#   check.sh [--results DIR] [PART ...]
#
# Parts run in the order in which they are named; without any, all of them run, the most telling first. DIR, ./results by
# default, gets summary.txt and results.tar.gz; a run of other parts adds to both. Ends with 0 if all parts passed, with 1 if
# one did not, with 2 if it was called wrongly, with 3 if there is no GPU.
PARTS="kernels golden bench contract executor quantise server baseline sanitize ncu"

# shellcheck disable=SC2034,SC2329 # record.sh reads and calls what is here

# Seconds for a whole part, and for one program of it: a test class, a benchmark. $KERNELS_LIMITS and so on replace them.
# The first three parts together stay below the ten minutes that a command on a borrowed host may take.
limits() {
  case $1 in
    kernels) echo "${KERNELS_LIMITS:-240 60}" ;;
    golden) echo "${GOLDEN_LIMITS:-70 70}" ;;
    bench) echo "${BENCH_LIMITS:-200 110}" ;;
    contract) echo "${CONTRACT_LIMITS:-240 90}" ;;
    executor) echo "${EXECUTOR_LIMITS:-120 60}" ;;
    quantise) echo "${QUANTISE_LIMITS:-180 120}" ;;
    server) echo "${SERVER_LIMITS:-330 300}" ;;
    baseline) echo "${BASELINE_LIMITS:-420 300}" ;;
    sanitize) echo "${SANITIZE_LIMITS:-240 240}" ;;
    ncu) echo "${NCU_LIMITS:-300 240}" ;;
  esac
}

usage() {
  echo "usage: check.sh [--results DIR] [PART ...], parts are: $PARTS" >&2
  exit 2
}

# Sets RESULTS and CHOSEN.
read_arguments() {
  RESULTS=results
  CHOSEN=
  while [ $# -gt 0 ]; do
    case $1 in
      --results)
        [ $# -gt 1 ] || usage
        RESULTS=$2
        shift
        ;;
      -*) usage ;;
      *)
        case " $PARTS " in *" $1 "*) CHOSEN="$CHOSEN $1" ;; *) usage ;; esac
        ;;
    esac
    shift
  done
  : "${CHOSEN:=$PARTS}"
}

# Sets STATE to "skipped", and why, of all parts that were to run.
skip_all() {
  for PART in $CHOSEN; do
    begin_part "$PART"
    STATE="skipped: $1"
    end_part
  done
}

read_arguments "$@"
mkdir -p "$RESULTS" && RESULTS=$(cd "$RESULTS" && pwd) && cd "$(dirname "$0")" || exit 1
# shellcheck source-path=SCRIPTDIR
. ./record.sh
# shellcheck source-path=SCRIPTDIR
. ./parts.sh

begin_record
trap 'interrupted' INT TERM HUP
trap 'end_everything' EXIT
describe_host
case $GPU in
  there)
    find_cublas
    for PART in $CHOSEN; do
      begin_part "$PART"
      "part_$PART"
      end_part
    done
    ;;
  none)
    skip_all "no GPU"
    VERDICT=3
    ;;
  *)
    skip_all "the driver $GPU"
    VERDICT=1
    ;;
esac
show_summary
exit "$VERDICT"
