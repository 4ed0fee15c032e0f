#!/usr/bin/env bash
# Makes target/gpu-checks.tar.xz, which holds all that a bare GPU host needs (a Java runtime, the program, its tests and
# benchmarks; the driver is the host's), and runs it here. Without a GPU the run says so and ends with 3.
#
#   src/test/gpu/run.sh              make the bundle and run it
#   src/test/gpu/run.sh --bundle     make the bundle only
#   src/test/gpu/run.sh --lineinfo   with either: kernels know their lines, for a profiler
#   tar xJf gpu-checks.tar.xz && gpu-checks/check.sh [PART ...]      on the GPU host
#
# Needs a JDK 25 with jlink, unzip, xz, and nvcc.
set -euo pipefail
cd "$(dirname "$0")/../../.."

LIMIT_MIB=45 # what travels to a borrowed host is often limited to 64 MiB
MODULES=java.base,java.desktop,java.instrument,java.logging,java.management,java.naming,java.net.http,java.security.jgss
MODULES+=,java.sql,java.xml,jdk.incubator.vector,jdk.management,jdk.unsupported,jdk.zipfs
# Beside what the server needs.
FOR_TESTS='junit-jupiter|junit-platform|opentest4j|apiguardian|assertj'

jdk_25() {
  local home
  for home in "${JAVA_HOME:-}" /usr/lib/jvm/* "$HOME"/.sdkman/candidates/java/* "$HOME"/.jdks/*; do
    if [ -x "$home/bin/jlink" ] && "$home/bin/jlink" --version 2>&1 | grep -q '^25'; then
      echo "$home"
      return
    fi
  done
  echo "No JDK 25 with jlink was found" >&2
  exit 1
}

# Only this platform's native code; and stored, not deflated, because xz does better over all of it.
repack() {
  rm -rf target/gpu-jar && mkdir target/gpu-jar
  unzip -q -o "$2" -d target/gpu-jar
  rm -rf target/gpu-jar/native/lib/{osx,win,linux-aarch64}* target/gpu-jar/com/sun/jna/{aix,darwin,dragonfly,free,open}* \
    target/gpu-jar/com/sun/jna/{sunos,win32}* target/gpu-jar/com/sun/jna/linux-{a,l,m,p,r,s,x86/}*
  "$1/bin/jar" --create --no-compress --no-manifest --file "$2" -C target/gpu-jar .
}

# With what is in the bundle a test runs: one that asks for no GPU.
try_out() {
  (
    cd "$1"
    class=$(find target/test-classes -name DecodeSplitsTest.class | sed 's|target/test-classes/||; s|/|.|g; s|.class$||')
    runtime/bin/java -cp "target/test-classes:target/classes:lib/*" org.junit.platform.console.ConsoleLauncher execute \
      --disable-banner --details=summary --fail-if-no-tests --select-class="$class" > ../gpu-try-out.txt 2>&1
  ) || { cat target/gpu-try-out.txt >&2 && return 1; }
}

bundle() {
  local jdk to
  jdk=$(jdk_25)
  to=target/gpu-checks
  rm -rf "$to" && mkdir -p "$to/lib" "$to/target" "$to/src/test/resources"
  KERNEL_FLAGS=$1 ./mvnw -B -q test-compile dependency:build-classpath -DincludeScope=test -Dmdep.outputFile=target/gpu-tests.txt
  if [ ! -d target/classes/cuda/images ]; then
    echo "There is no nvcc on the PATH: the bundle would have no kernels" >&2
    exit 1
  fi
  ./mvnw -B -q dependency:build-classpath -DincludeScope=runtime -Dmdep.outputFile=target/gpu-server.txt
  {
    tr ':' '\n' < target/gpu-server.txt && echo
    tr ':' '\n' < target/gpu-tests.txt | grep -E "/($FOR_TESTS)[^/]*\.jar$"
  } | sort -u | xargs -I{} cp {} "$to/lib/"
  for jar in "$to"/lib/*.jar; do
    repack "$jdk" "$jar"
  done
  cp -r target/classes target/test-classes "$to/target/"
  rm -f "$to"/target/classes/models/*/model.safetensors # random weights will do, and the tiny models have their own
  rm -rf "$to/target/test-classes/golden/tiny"/*/*.safetensors # tests read those of the next line
  cp -r src/test/resources/golden "$to/src/test/resources/"
  cp src/test/gpu/{check,record,parts}.sh src/test/gpu/*.py "$to/"
  "$jdk/bin/jlink" --add-modules "$MODULES" --strip-debug --no-header-files --no-man-pages --compress zip-0 \
    --output "$to/runtime"
  # Nothing is drawn: the module is there for java.beans.
  rm -f "$to"/runtime/lib/lib{awt,awt_xawt,awt_headless,fontmanager,freetype,splashscreen,mlib_image,javajpeg,lcms,jsound,jawt}.so
  try_out "$to"
  tar -C target -cf - gpu-checks | xz -6 -T0 > target/gpu-checks.tar.xz
  local mib=$(( ($(stat -c %s target/gpu-checks.tar.xz) + 1048575) / 1048576 ))
  echo "target/gpu-checks.tar.xz: $mib MiB of at most $LIMIT_MIB"
  [ "$mib" -le "$LIMIT_MIB" ]
}

needs() {
  cat << 'NEEDS'
The host needs: Linux on x86-64 with glibc 2.34 or later, the NVIDIA driver (libcuda.so.1), sh, the usual small programs (awk,
grep, gzip, sed, tail, tar, timeout and so on, as GNU has them), /proc, xz or python3 to unpack, 24 GiB of GPU memory, and port
8080 of 127.0.0.1 or another one in CHECK_PORT. It makes use of, if it has them: nvidia-smi, libcublasLt, python3 with torch
and transformers, compute-sanitizer, ncu. It needs no Java, no CUDA toolkit, no network, and nothing of this repository.
NEEDS
}

run_it=true
flags=
for argument in "$@"; do
  case $argument in
    --bundle) run_it=false ;;
    --lineinfo) flags=-lineinfo ;;
    *) echo "unknown: $argument" >&2 && exit 2 ;;
  esac
done
bundle "$flags"
needs
if $run_it; then
  target/gpu-checks/check.sh --results target/gpu-results
fi
