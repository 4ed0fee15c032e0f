#!/bin/sh
# Of check.sh: runs programs within their limits, and keeps what became of them.
#
# $WORK has logs/PART/PROGRAM.txt, and in parts/ for each part a line of the summary and its details; it is packed after each
# program, so that little is lost if all of this is killed.
# shellcheck disable=SC2034 # check.sh and parts.sh read what is set here

ARCHIVE_BYTES_MAX=$((15 * 1024 * 1024)) # a borrowed host gives back files of at most 16 MiB

now() {
  date +%s
}

least() {
  if [ "$1" -lt "$2" ]; then echo "$1"; else echo "$2"; fi
}

# Takes up what earlier runs have left in $RESULTS.
begin_record() {
  VERDICT=0
  CHILD=
  SERVER=
  WATCH=
  WORK=$(mktemp -d "${TMPDIR:-/tmp}/gpu-checks.XXXXXX") || exit 1
  if [ -f "$RESULTS/results.tar.gz" ]; then
    gzip -dc "$RESULTS/results.tar.gz" | tar -C "$WORK" -xf -
  fi
  mkdir -p "$WORK/logs" "$WORK/parts"
  touch "$WORK/parts/order"
}

# ---- processes ----

# Becomes a program that is killed, with all that it has started, after so many seconds.
bounded() {
  limit=$1
  shift
  exec timeout -s KILL "$limit" "$@"
}

# Whether a process of this group is left, or the one that is about to begin the group. One that is dead, but not yet read by
# its parent, holds nothing.
group_lives() {
  cat /proc/[0-9]*/stat 2> /dev/null | sed 's/ (.*) / /' \
    | awk -v group="$1" '($1 == group || $4 == group) && $2 != "Z" && $2 != "X" { found = 1 } END { exit !found }'
}

# await_end GROUP SECONDS: false if some of it is left after that. Memory of the GPU is free when its process has ended.
await_end() {
  deadline=$(($(now) + $2))
  while group_lives "$1"; do
    [ "$(now)" -lt "$deadline" ] || return 1
    sleep 0.2
  done
}

# Ends a group of processes whatever they do, and waits for it.
end_group() {
  kill -s KILL -- "-$1" 2> /dev/null
  kill -s KILL "$1" 2> /dev/null
  await_end "$1" 20
  wait "$1" 2> /dev/null
}

end_everything() {
  for group in $WATCH $CHILD $SERVER; do
    end_group "$group"
  done
  rm -rf "$WORK"
}

interrupted() {
  trap '' INT TERM HUP
  [ -n "${PART:-}" ] && STATE=interrupted && end_part
  show_summary
  exit 1
}

# ---- one program ----

# What an exit code means, of a program that had so many seconds and took so many.
outcome() {
  if [ "$1" -eq 0 ]; then
    echo passed
  elif [ "$1" -eq 3 ]; then
    echo "skipped: $(tail -n 1 "$LOG")"
  elif { [ "$1" -eq 137 ] || [ "$1" -eq 124 ]; } && [ "$2" -ge "$3" ]; then
    echo "killed after $3 s"
  elif [ "$1" -gt 128 ]; then
    echo "crashed (signal $(($1 - 128)))"
  elif grep -q '^# A fatal error has been detected by the Java' "$LOG"; then
    echo "crashed ($(sed -n 's/^# *\(SIG[A-Z]*\).*/\1/p' "$LOG"))"
  else
    echo "FAILED (exit $1)"
  fi
}

# attempt NAME COMMAND...: runs a program of the part as long as the limits allow. Sets LOG, OUTCOME, CODE, TOOK.
attempt() {
  name=$1
  shift
  LOG=$WORK/logs/$PART/$name.txt
  : > "$LOG"
  CODE=
  TOOK=0
  allowed=$(least "$PROGRAM_LIMIT" $((PART_END - $(now))))
  if [ "$allowed" -lt 1 ]; then
    OUTCOME="not run: the part's time was over"
    return
  fi
  began=$(now)
  bounded "$allowed" "$@" > "$LOG" 2>&1 &
  CHILD=$!
  echo "$CHILD" > "$WORK/child"
  wait "$CHILD" 2> /dev/null
  CODE=$?
  TOOK=$(($(now) - began))
  OUTCOME=$(outcome "$CODE" "$TOOK" "$allowed")
  rm -f "$WORK/child"
  end_group "$CHILD"
  CHILD=
}

# Where a program hung, or what it says of its failures.
excerpt() {
  case $OUTCOME in
    crashed*) grep -E '^# +(SIG|[CjVJv] +\[)' "$LOG" || last_lines ;;
    FAILED*) grep -E '=>|caught:|[Ee]rror:|Exception in' "$LOG" | grep -v TestAborted || last_lines ;;
    *) last_lines ;;
  esac | sed 's/^[^[:alnum:]#[]*//' | cut -c 1-180 | awk 'NF && !seen[$0]++' | head -n 5
}

# Without what JUnit says of every test.
last_lines() {
  grep -v -E ' (tags|uniqueId|parent|source): ' "$LOG" | tail -n 5
}

# Notes what became of the program, with a figure; the part is what the first of its programs that did not pass is.
note() {
  printf '  %-44s %-24s %4s s  %s\n' "$name" "$OUTCOME" "$TOOK" "$1" | tee -a "$DETAILS"
  PROGRAMS=$((PROGRAMS + 1))
  case $OUTCOME in
    passed) PASSED=$((PASSED + 1)) ;;
    skipped:*) SKIPPED=${SKIPPED:-$OUTCOME} ;;
    *)
      STATE=${STATE:-$OUTCOME}
      excerpt | sed 's/^/      > /' | tee -a "$DETAILS"
      ;;
  esac
  pack
}

# Copies the rows of tables that the program has printed.
note_rows() {
  grep -E '^(\||ceiling:)' "$LOG" | cut -c 1-140 | sed 's/^/    /' | tee -a "$DETAILS"
}

# ---- one part ----

# Sets what the functions above use.
begin_part() {
  PART=$1
  DETAILS=$WORK/parts/$PART.details
  rm -rf "${WORK:?}/logs/$PART" "$WORK/parts/$PART.line"
  mkdir -p "$WORK/logs/$PART"
  : > "$DETAILS"
  grep -v "^$PART\$" "$WORK/parts/order" > "$WORK/order"
  echo "$PART" >> "$WORK/order"
  mv "$WORK/order" "$WORK/parts/order"
  PART_BEGAN=$(now)
  # shellcheck disable=SC2046
  set -- $(limits "$PART")
  PART_END=$((PART_BEGAN + $1))
  PROGRAM_LIMIT=$2
  STATE=
  SKIPPED=
  FIGURE=
  PROGRAMS=0
  PASSED=0
  echo "== $PART, at most $1 s"
}

end_part() {
  if [ -z "$STATE" ]; then
    if [ "$PASSED" -gt 0 ]; then STATE=passed; else STATE=${SKIPPED:-FAILED (nothing ran)}; fi
  fi
  case $STATE in passed | skipped:*) ;; *) VERDICT=1 ;; esac
  [ "$PROGRAMS" -gt 1 ] && FIGURE="$PASSED of $PROGRAMS passed${FIGURE:+; $FIGURE}"
  printf '%-9s | %-36s | %4s s | %s\n' "$PART" "$STATE" $(($(now) - PART_BEGAN)) "$FIGURE" > "$WORK/parts/$PART.line"
  PART=
  pack
}

# ---- all of it ----

summary() {
  cat "$WORK/parts/host"
  while read -r part; do
    if [ -s "$WORK/parts/$part.details" ]; then
      echo
      echo "$part"
      cat "$WORK/parts/$part.details"
    fi
  done < "$WORK/parts/order"
  echo
  while read -r part; do
    [ -f "$WORK/parts/$part.line" ] && cat "$WORK/parts/$part.line"
  done < "$WORK/parts/order"
}

# Of a log that is longer than so many KiB the beginning and the end are kept.
shorten_logs() {
  find "$WORK/logs" -type f -size "+${1}k" | while read -r file; do
    head -c $((1024 * $1 / 4)) "$file" > "$WORK/short"
    printf '\n[...]\n' >> "$WORK/short"
    tail -c $((1024 * $1 / 2)) "$file" >> "$WORK/short"
    mv "$WORK/short" "$file"
  done
}

pack() {
  summary > "$RESULTS/summary.txt.part" && mv "$RESULTS/summary.txt.part" "$RESULTS/summary.txt"
  for kib in 1024 256 64 16; do
    shorten_logs $kib
    tar -C "$WORK" -cf - logs parts | gzip > "$RESULTS/results.tar.gz.part"
    [ "$(wc -c < "$RESULTS/results.tar.gz.part")" -le $ARCHIVE_BYTES_MAX ] && break
  done
  mv "$RESULTS/results.tar.gz.part" "$RESULTS/results.tar.gz"
}

show_summary() {
  echo
  echo "== summary"
  cat "$RESULTS/summary.txt"
}
